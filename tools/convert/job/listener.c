#include "convert/job/listener.h"

#include <stdarg.h>
#include <stdio.h>

void listener_warn(const struct listener *listener, const char *format, ...)
{
	char message[1024];
	va_list args;

	if (!listener->on_warning)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	listener->on_warning(listener->user, message);
}
