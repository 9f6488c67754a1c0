// Selects the modules of deploy/deployer that a project needs, and renders project.py, which imports them.
import type { Project } from './project.js';

/** The module of each command. */
function commands({ targetEntry, build, training }: Project): Record<string, string> {
  const { deploy, invoke, upload } = targetEntry.modules;
  return {
    build_and_push: 'image',
    upload_model: upload,
    deploy,
    invoke,
    delete: 'delete',
    create_role: 'role',
    ...(build === 'codebuild' && { submit_build: 'build_remotely' }),
    ...(training && { build_training: 'image_training', fit: 'fit' }),
  };
}

/** The modules of deploy/deployer, except project.py. */
export function deployerModules(project: Project): string[] {
  const always = '__init__ __main__ settings state aws hints checks storage archive'.split(' ');
  const { upload } = project.targetEntry.modules;
  const more = [
    'invoke',
    ...(upload === 'upload_files' ? ['hub'] : []),
    ...(project.build === 'codebuild' ? ['build_source', 'build_role'] : []),
  ];
  return [...new Set([...always, ...Object.values(commands(project)), ...more])];
}

/** The modules of deploy/deployer/requests. */
export function requestModules({ targetEntry, build, training }: Project): string[] {
  const { target, scaling, source, deploy } = targetEntry.modules;
  return [
    ...['__init__', 'common', 'model', 'policies', source, target, 'scaling'],
    ...(scaling ? [scaling] : []),
    ...(deploy === 'endpoint' ? ['endpoint'] : []),
    ...(targetEntry.serverless ? [] : ['instances']),
    ...(build === 'codebuild' ? ['codebuild'] : []),
    ...(training ? ['training'] : []),
  ];
}

/** The chapters of settings.env, most of them named after the module that reads their settings. */
export function settingsChapters({ targetEntry, build, training }: Project): string[] {
  const { target, scaling, source, deploy } = targetEntry.modules;
  const names = [
    'project',
    ...(deploy === 'endpoint' ? ['endpoint'] : []),
    ...(targetEntry.serverless ? [] : ['instances']),
    ...(targetEntry.serverless || deploy === 'batch' ? [] : ['hosting']),
    target,
    ...(scaling && scaling !== 'by_utilization' ? [scaling] : []), // by_utilization has no settings
    ...(targetEntry.serverless ? [] : ['network']),
    'image',
    ...(source === 'model_image' ? [] : [source]),
    ...(build === 'codebuild' ? ['codebuild'] : []),
    ...(training ? ['training'] : []),
  ];
  return names.map((name) => `deploy/settings/${name}.env.ejs`);
}

/** The text of project.py. The file in templates/deploy/deployer is the one for a project with all defaults. */
export function projectModule(project: Project): string {
  const { targetEntry, build, training } = project;
  const { target, scaling, source } = targetEntry.modules;
  const parts = { ...(scaling && { scaling }), source, target };
  const others = [...(build === 'codebuild' ? ['codebuild'] : []), ...(training ? ['training'] : [])];
  const imports = [
    ...(others.length ? [others.join(', ')] : []),
    ...Object.entries(parts).map(([name, module]) => `${module} as ${name}`),
  ]
    .sort()
    .map((names) => `from deployer.requests import ${names}`);
  const names = ['COMMANDS', 'Settings', 'command_module', ...Object.keys(parts)].map((name) => `"${name}"`);
  const bases = ['source', 'target', ...(scaling ? ['scaling'] : []), ...others].map((name) => `${name}.Settings`);
  return `"""The modules of this project, chosen by its target, its model and its build."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

${imports.join('\n')}

__all__ = [${names.join(', ')}]

COMMANDS = {
${Object.entries(commands(project))
  .map(([command, module]) => `    "${command}": "${module}",\n`)
  .join('')}}


@dataclass(frozen=True)
class Settings(${bases.join(', ')}):
    """All settings of this project."""


def command_module(command: str) -> Any:
    """Return the module of a command, such as \`deploy\`."""
    return import_module(f"deployer.{COMMANDS[command]}")
`;
}
