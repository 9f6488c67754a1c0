// Mocha's spec reporter, extended to record how long each test and hook took.
import { relative } from 'node:path';
import Mocha from 'mocha';
import { record } from './times.js';
import { root } from './tools.js';

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const timed = ({ file = '', duration = 0, title }: Mocha.Runnable) =>
      record('test', duration / 1000, relative(root, file), title);
    runner.on('test end', timed).on('hook end', timed);
  }
}
