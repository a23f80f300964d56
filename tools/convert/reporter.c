#include "convert/reporter.h"

#include <stdarg.h>
#include <stdio.h>

void reporter_warn(const struct reporter *reporter, const char *format, ...)
{
	char message[1024];
	va_list args;

	if (!reporter->on_warning)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	reporter->on_warning(reporter->user, message);
}
