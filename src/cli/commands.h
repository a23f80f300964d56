/* The subcommands of tern, each in a file of its own. */
#ifndef TERN_CLI_COMMANDS_H
#define TERN_CLI_COMMANDS_H

#include "console/program.h"

extern const struct command command_chat, command_run, command_info, command_tokenize, command_bench, command_eval,
        command_logits, command_embed, command_completion, command_help;

/* All commands in the order of the help, and the rest of the manual. In manual.c. */
extern const struct program tern_program;

#endif
