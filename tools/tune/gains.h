/* The gains that inserted norms begin with. */
#ifndef TUNE_GAINS_H
#define TUNE_GAINS_H

#include "tune/graph.h"

/* Sets the gains of network's inserted norms to the RMS of their inputs: those of `plain`, the same network without
 * them, after graph_forward() of `batch` in full precision. plain has its activations saved layer by layer. */
void gains_set_rms(struct network *network, const struct graph *plain, const struct batch *batch);

#endif
