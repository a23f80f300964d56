/* Buffers for check_kernels in which no access outside the data goes unnoticed: rooms between two unmapped pages, with
 * poison around the data. */
#ifndef TESTS_CHECK_BUFFERS_H
#define TESTS_CHECK_BUFFERS_H

#include "base/sizes.h"
#include "test.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif

enum {
	ROOM_SIZE = 16 << 20,
	POISON_SIZE = 256,
	POISON = 0xa5,
	N_ROOM = 9,
};

/* A room is taken once and used for one buffer after the other. */
struct room {
	uint8_t *start; /* ROOM_SIZE bytes */
	uint8_t *data;  /* what was placed last */
	size_t size;
};

static struct room rooms[N_ROOM];

static void open_rooms(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < N_ROOM; i++) {
		uint8_t *map =
		        mmap(NULL, ROOM_SIZE + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) ||
		    mprotect(map + page + ROOM_SIZE, page, PROT_NONE)) {
			perror("check_kernels: mmap");
			exit(1);
		}
		rooms[i].start = map + page;
	}
}

/* The poisoned bytes before and after the data, as far as the room goes. */
static size_t poison_before(const struct room *room)
{
	size_t n = (size_t)(room->data - room->start);
	return tern_smaller(n, POISON_SIZE);
}

static size_t poison_after(const struct room *room)
{
	size_t n = (size_t)(room->start + ROOM_SIZE - room->data) - room->size;
	return tern_smaller(n, POISON_SIZE);
}

/* Places n items of item_size bytes, a power of two and their only alignment, in a room: against its end, against its
 * start, or a few items before its end. Fills them and the bytes around them with poison. */
static void *place(struct room *room, size_t n, size_t item_size)
{
	size_t slack;

	room->size = n * item_size;
	if (room->size + 64 * item_size > ROOM_SIZE) {
		fprintf(stderr, "check_kernels: %zu bytes do not fit a room\n", room->size);
		exit(1);
	}
	slack = ROOM_SIZE - room->size;
	switch (test_random() % 3) {
	case 0:
		break;
	case 1:
		slack = 0;
		break;
	default:
		slack -= test_random() % 64 * item_size;
		break;
	}
	room->data = room->start + slack;
	memset(room->data - poison_before(room), POISON, poison_before(room) + room->size + poison_after(room));
	return room->data;
}

/* True if the poison around the data is unchanged. */
static int is_intact(const struct room *room)
{
	for (size_t i = 1; i <= poison_before(room); i++)
		if (room->data[-(ptrdiff_t)i] != POISON)
			return 0;
	for (size_t i = 0; i < poison_after(room); i++)
		if (room->data[room->size + i] != POISON)
			return 0;
	return 1;
}

#endif
