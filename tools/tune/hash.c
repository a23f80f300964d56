#include "tune/hash.h"

#include "base/hash.h"

uint64_t hash_bytes(uint64_t before, const void *bytes, size_t n)
{
	return tern_hash_bytes((struct tern_hash_key){before, 0}, bytes, n);
}
