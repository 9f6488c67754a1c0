// The commands of the bin, in the order of the help. Without one of them it generates a project.

/** What each command does, in one line. */
export const commands = {
  configure: 'ask the questions and write ml-container.config.json',
  inspect: 'show what a model file or folder is, without running it',
  update: 'in a project: other answers or a newer generator, merged with your edits',
  schema: 'print the JSON Schema of the config file',
  completion: 'print the completions of bash, zsh or fish',
} as const;

export type CommandName = keyof typeof commands;

export const isCommand = (word: string | undefined): word is CommandName =>
  word !== undefined && Object.hasOwn(commands, word);
