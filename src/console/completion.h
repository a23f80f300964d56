/* Completion scripts for bash, zsh and fish, made from a program's tables of commands and options. */
#ifndef TERN_CONSOLE_COMPLETION_H
#define TERN_CONSOLE_COMPLETION_H

#include "console/program.h"

/* Prints the script for a shell, "bash", "zsh" or "fish". False for any other.
 *
 * The name of an option's value, or of a command's first operand, in the help decides what is offered for it:
 *   FILE|NAME, MODEL...                          a model: a .gguf file or, if the program lists them, a name
 *   a word with FILE, DIRECTORY or .gguf in it   a file
 *   auto|always|never                            these words
 *   FORMAT, SHAPE, COMMAND                       the chat formats, the shapes, the commands
 *   any other                                    nothing */
bool completion_print(const struct program *program, const char *shell);

#endif
