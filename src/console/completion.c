#include "console/program.h"

#include <string.h>

bool completion_print(const struct program *program, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		completion_print_bash(program);
	else if (strcmp(shell, "zsh") == 0)
		completion_print_zsh(program);
	else if (strcmp(shell, "fish") == 0)
		completion_print_fish(program);
	else
		return false;
	return true;
}
