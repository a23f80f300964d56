/* Constants for code that aligns and prefetches. */
#ifndef TERN_BASE_CACHE_H
#define TERN_BASE_CACHE_H

enum {
	TERN_CACHE_LINE = 64, /* bytes; on CPUs with longer lines a second prefetch of one does no harm */
	/* Locality of __builtin_prefetch() for data that should go to L2, not L1. */
	TERN_TO_SECOND_CACHE = 2,
};

#endif
