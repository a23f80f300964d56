#include "console/program_text.h"

#include "console/completion.h"
#include "console/manual.h"

bool program_print_text(const struct program *program, bool manual, const char *shell, enum tern_status *status)
{
	*status = TERN_OK;
	if (manual)
		manual_print(program);
	else if (shell && !completion_print(program, shell))
		*status =
		        usage_error(program->commands[0], "--completion: '%.64s' is not one of bash, zsh, fish", shell);
	return manual || shell;
}
