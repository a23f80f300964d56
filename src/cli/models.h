/* Finds the file of a model by its name. */
#ifndef TERN_CLI_MODELS_H
#define TERN_CLI_MODELS_H

#include <tern.h>

/* Sets how the program was called, for systems that do not know the path of a running program. argv0 must stay valid.
 */
void models_start(const char *argv0);

/* Finds the model called `name` (the value of -m; NULL: $TERN_MODEL, else the one that ships with tern).
 *
 * A name that contains a slash, or that is an existing file, is a path. Any other is searched, as NAME and NAME.gguf,
 * in the folders of $TERN_MODELS, in $XDG_DATA_HOME/tern/models (~/.local/share if unset) and beside the program:
 * PROGRAM/build/models and PROGRAM/models in a build tree, PROGRAM/../share/tern/models when installed.
 *
 * The caller frees *path with tern_free(). Errors are reported, with all folders searched. */
enum tern_status models_find(const char *name, char **path);

/* Prints the names, without .gguf, of all models in the folders that models_find() searches, one per line. */
void models_print_names(void);

#endif
