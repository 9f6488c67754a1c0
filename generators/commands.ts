// The commands of ml-container-creator, in the order of the help. Without a command, it generates a project.

/** A one-line description of each command. */
export const commands = {
  configure: 'prompt for options and write ml-container.config.json',
  inspect: 'describe a model file or folder without running it',
  update: 'in a project: change options or apply a newer generator version, keeping your edits',
  schema: 'print the JSON Schema of the config file',
  completion: 'print the completion script for a shell',
} as const;

export type CommandName = keyof typeof commands;

export const isCommand = (word: string | undefined): word is CommandName =>
  word !== undefined && Object.hasOwn(commands, word);
