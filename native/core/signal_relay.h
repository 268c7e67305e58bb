/* Turns the signals sent to this process into bytes of a pipe. */
#ifndef TSR_CORE_SIGNAL_RELAY_H
#define TSR_CORE_SIGNAL_RELAY_H

#include <stdbool.h>

#include "error.h"

/*
 * Catches every signal that can be passed on, SIGWINCH only if asked for, and returns the read end
 * of a non-blocking pipe that yields one byte, the number, a signal. Not caught: SIGKILL, SIGSTOP;
 * SIGCHLD and SIGURG (never meant for the container); SIGPIPE (ignored meanwhile); SIGTTIN and
 * SIGTTOU (the terminal's way to stop a background job); and whatever is being ignored, which is
 * what nohup asks for. `crashed` is called from the handler when we are about to die ourselves, and
 * has to be async-signal-safe. One relay at a time: EBUSY.
 */
int tsr_signal_relay_start(bool window_changes, void (*crashed)(void), struct tsr_error *error);

/*
 * Begins to catch signals for a relay that starts later, which then yields them: whoever executes a program and supervises it
 * afterwards must not be ended by a signal in between. SIGWINCH is not among them.
 */
int tsr_signal_relay_hold(struct tsr_error *error);

/* Restores all dispositions and closes the pipe. */
void tsr_signal_relay_stop(int pipe_fd);

#endif
