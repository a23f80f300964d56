/* Public ternary models by name: what to download when somebody asks for one that is not here. models/README.md has the
 * same list with more words. */
#ifndef TERN_CLI_CATALOGUE_H
#define TERN_CLI_CATALOGUE_H

#include "console/text.h"

/* Appends how to get the public model that `name` means, or seems to mean: one sentence with a command; nothing if it
 * means none. */
void catalogue_advise(struct text *advice, const char *name);

#endif
