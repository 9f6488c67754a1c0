// `yo ml-container-creator`: generates a project.
import { CreatorGenerator } from '../generator.js';

export default class extends CreatorGenerator {
  command = 'app' as const;
}
