/* The manual page, for man(7), made from a program's tables and the sections of its own. */
#ifndef TERN_CONSOLE_MANUAL_H
#define TERN_CONSOLE_MANUAL_H

#include "console/program.h"

void manual_print(const struct program *program);

#endif
