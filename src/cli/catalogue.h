/* The public ternary models: how to get one that is named but not there. models/README.md has the same list with more
 * words; tests/sources.sh compares the two. */
#ifndef TERN_CLI_CATALOGUE_H
#define TERN_CLI_CATALOGUE_H

#include "console/text.h"

/* Appends one sentence with the command that gets the public model `name` most likely means; nothing if there is none.
 */
void catalogue_advise(struct text *advice, const char *name);

#endif
