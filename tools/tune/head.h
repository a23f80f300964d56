/* The output head and the cross-entropy, after the last norm. */
#ifndef TUNE_HEAD_H
#define TUNE_HEAD_H

#include "tune/graph.h"

/* The mean loss over the targets. With `backward` also sets graph->d_last and adds to the head's gradient. */
double head_loss(struct graph *graph, const struct batch *batch, bool backward);

#endif
