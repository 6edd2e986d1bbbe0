import type { Command } from 'commander';

/** The options that say which mappings a command is about. */
export function addBenchOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file (default: sluss.yaml, where there is one)')
    .option('--channel <name>', 'channel of the configuration (default: the first that takes the message)')
    .option('--mapping <name>', 'message mapping, instead of the channel’s own')
    .option('--mappings <folder>', 'mapping files, instead of the configuration’s');
}
