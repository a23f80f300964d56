/* What code that asks memory for data in advance has to know of caches. */
#ifndef TERN_BASE_CACHE_H
#define TERN_BASE_CACHE_H

enum {
	TERN_CACHE_LINE = 64, /* bytes; where lines are longer, asking for a half of one twice does no harm */
	/* Where __builtin_prefetch() is to put what the first-level cache has no room for. */
	TERN_TO_SECOND_CACHE = 2,
};

#endif
