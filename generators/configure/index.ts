// `yo ml-container-creator:configure`: asks the same questions, writes ml-container.config.json, generates nothing.
import { CreatorGenerator } from '../generator.js';

export default class extends CreatorGenerator {
  command = 'configure' as const;
}
