/* The modes of the terminal. Whatever ends or stops the program, a signal too, gives the terminal back as it was
 * found; when the program goes on after a stop, the mode is entered again. One terminal per process. */
#ifndef TERN_CONSOLE_TTY_H
#define TERN_CONSOLE_TTY_H

#include <stdbool.h>
#include <stddef.h>

enum tty_mode {
	TTY_AS_FOUND, /* for other programs: lines, echo */
	/* While the program talks: nothing typed is echoed, it waits, byte for byte, for the next reader; Ctrl-C,
	 * Ctrl-Z and Ctrl-\ are signals and discard nothing. */
	TTY_QUIET,
	TTY_EDIT, /* every key is a byte to read, those of signals too; pastes come bracketed */
};

/* Takes care of the terminal `in` from now on; sequences that switch something are written to `out`. False, and
 * everything below does nothing, if `in` is not a terminal. May be called again for the same terminal. */
bool tty_start(int in, int out);
void tty_set(enum tty_mode mode);

/* How many of the bytes that wait to be read were typed in TTY_AS_FOUND, where Enter is a newline; 0 the next time. */
size_t tty_cooked_input(void);

/* Stops the process group as Ctrl-Z does, with the terminal as it was found. */
void tty_stop(void);

/* What happened since the last call. signals_wake_fd() becomes readable when it does. */
bool tty_was_resumed(void); /* the mode was entered again; the screen is another */
bool tty_was_resized(void);

#endif
