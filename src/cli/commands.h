/* The subcommands of tern, each in a file of its own. */
#ifndef TERN_CLI_COMMANDS_H
#define TERN_CLI_COMMANDS_H

#include "console/options.h"

extern const struct command command_chat, command_run, command_info, command_tokenize, command_bench, command_eval,
        command_logits, command_embed, command_help;

/* All of them, in the order the help lists them; ends with NULL. */
extern const struct command *const commands[];

#endif
