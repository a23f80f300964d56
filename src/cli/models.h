/* Which file a model's name means. */
#ifndef TERN_CLI_MODELS_H
#define TERN_CLI_MODELS_H

#include <tern.h>

/* Tells how the program was called, for systems that cannot tell where the running program lies. argv0 must stay. */
void models_start(const char *argv0);

/* Finds the model that `name` means (the value of -m; NULL: $TERN_MODEL, else the one that ships with tern).
 *
 * A name with a slash, or that of an existing file, is a path. Any other is looked for, as NAME and as NAME.gguf, in
 * the folders of $TERN_MODELS, in $XDG_DATA_HOME/tern/models (~/.local/share if unset) and beside the program:
 * PROGRAM/build/models and PROGRAM/models in a build tree, PROGRAM/../share/tern/models when installed.
 *
 * TERN_OK: the caller frees *path with tern_free(). Else the error was reported, with every folder looked in. */
enum tern_status models_find(const char *name, char **path);

/* Prints the names, without .gguf, of the models in the folders that models_find() looks in, one a line. */
void models_print_names(void);

#endif
