// `yo ml-container-creator:configure`: asks the same questions, but writes only ml-container.config.json.
import { CreatorGenerator } from '../generator.js';

export default class extends CreatorGenerator {
  command = 'configure' as const;
}
