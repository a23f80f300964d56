/* Signals: what interrupts the program, and how it leaves then. */
#ifndef TERN_CONSOLE_SIGNALS_H
#define TERN_CONSOLE_SIGNALS_H

#include <stdbool.h>

/* SIGPIPE ends the program silently; a file size limit (SIGXFSZ) becomes a write error. */
void signals_start(void);

/* From now on a page of `path` that cannot be read (SIGBUS: the mapped file shrank, or the device failed) gives one
 * line on standard error and exit status 3. */
void signals_watch_map(const char *path);

/* From now on Ctrl-C is only noted, until the second one. May be called again. */
void signals_catch_interrupt(void);
bool signals_interrupted(void);
/* The interrupt was dealt with: the next one is the first again. */
void signals_forget_interrupt(void);
/* Ends the program the way Ctrl-C does, after it was noted and everything is cleaned up: the shell sees it. */
void signals_die_of_interrupt(void);

/* A descriptor that becomes readable when a signal is noted, also on another thread; -1 if there are no descriptors
 * left. signals_drain() makes it unreadable again; signal handlers call signals_wake(). */
int signals_wake_fd(void);
void signals_drain(void);
void signals_wake(void);

/* From now on every signal that ends the program calls restore() first, which has to be async-signal-safe. */
void signals_restore_on_death(void (*restore)(void));

/* INT, TERM and HUP wait from the one to the other: for what must not end half done, as creating a file and
 * telling signals_clean_on_death() of it. They do not nest. */
void signals_hold(void);
void signals_release(void);

/* From now on INT, TERM and HUP erase a progress bar and remove this file (NULL: none) before they end the program.
 * The string is copied, so the caller may free it before it passes NULL. */
void signals_clean_on_death(const char *path);

#endif
