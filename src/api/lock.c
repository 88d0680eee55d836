/* SPDX-License-Identifier: MIT
 *
 * The lock's handle. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TTL_MS = 30000,
	WAIT_MS = 60000,
	INTERVAL_MS = 100,
	GROWTH_MIN = 100,
	GROWTH_MAX = 1000,
	FAREWELL_MS = 1000 /* the most that freeing may take */
};

RLK_EXPORT int32_t redislock_lock_new(redislock_client *client, int32_t kind, const void *name, size_t name_length,
                                      redislock_lock **lock)
{
	if (lock == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*lock = NULL;
	if (client == NULL || (kind != REDISLOCK_KIND_PUBSUB && kind != REDISLOCK_KIND_SPIN) ||
	    !rlk_name_fits(client, name, name_length)) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(client)) {
		return REDISLOCK_FORKED;
	}
	redislock_lock *made = calloc(1, sizeof *made);
	if (made == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	rlk_driver_enter(&client->driver);
	int32_t status = rlk_job_init(&client->driver.engine, &made->job, (enum rlk_kind)kind,
	                              (struct rlk_slice) { name, name_length });
	rlk_driver_leave(&client->driver);
	if (status != REDISLOCK_OK) {
		free(made);
		return status;
	}
	struct rlk_machine *machine = &made->job.machine;
	machine->ttl = TTL_MS;
	machine->renew = true;
	machine->wait = WAIT_MS;
	machine->interval = INTERVAL_MS;
	machine->interval_max = INTERVAL_MS;
	machine->growth = GROWTH_MIN;
	machine->label = RLK_LITERAL("");
	atomic_flag_clear(&made->busy);
	atomic_init(&made->interrupts, 0);
	made->client = client;
	if (client->form == RLK_EVENTLOOP) {
		rlk_loop_adopt(&made->job, &made->task);
	}
	rlk_client_retain(client);
	*lock = made;
	return REDISLOCK_OK;
}

/* ---- one caller at a time ---- */

static struct rlk_driver *driver_of(redislock_lock *lock)
{
	return &lock->client->driver;
}

void rlk_lock_forget_text(redislock_lock *lock)
{
	free(lock->job.text);
	lock->job.text = NULL;
	lock->status = REDISLOCK_OK;
}

static int32_t give_back(redislock_lock *lock, int32_t status)
{
	if (status < 0) {
		lock->status = status;
	}
	atomic_flag_clear(&lock->busy);
	return status;
}

int32_t rlk_lock_enter(redislock_lock *lock, bool valid, enum rlk_form form)
{
	if (lock == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(lock->client)) {
		return valid ? REDISLOCK_FORKED : REDISLOCK_INVALID_ARGUMENT;
	}
	if (form != RLK_EITHER && form != lock->client->form) {
		return valid ? REDISLOCK_WRONG_MODE : REDISLOCK_INVALID_ARGUMENT;
	}
	if (atomic_flag_test_and_set(&lock->busy)) {
		return valid ? REDISLOCK_IN_USE : REDISLOCK_INVALID_ARGUMENT;
	}
	if (!valid) {
		rlk_lock_forget_text(lock);
		return give_back(lock, REDISLOCK_INVALID_ARGUMENT);
	}
	rlk_driver_enter(driver_of(lock));
	return REDISLOCK_OK;
}

int32_t rlk_lock_leave(redislock_lock *lock, int32_t status)
{
	rlk_driver_leave(driver_of(lock));
	return give_back(lock, status);
}

/* Drives what was begun to its end. */
static int32_t run(redislock_lock *lock, const atomic_uint *interrupts)
{
	rlk_job_settle(&driver_of(lock)->engine, &lock->job, rlk_now());
	return rlk_blocking_run_job(&lock->client->blocking, &lock->job, interrupts);
}

/* Releases or leaves the queue, and waits for that for a bounded time. */
static void bid_farewell(redislock_lock *lock)
{
	redislock_client *client = lock->client;
	struct rlk_engine *engine = &client->driver.engine;
	struct rlk_machine *machine = &lock->job.machine;
	int64_t now = rlk_now();
	int64_t farewell = engine->command_timeout < FAREWELL_MS ? engine->command_timeout : FAREWELL_MS;
	if (machine->suspended) {
		rlk_machine_cancel(machine, farewell, now);
		run(lock, NULL);
		rlk_driver_enter(&client->driver);
	} else if (machine->phase == RLK_HOLDING) {
		rlk_machine_release(machine, farewell, now);
		run(lock, NULL);
		rlk_driver_enter(&client->driver);
	}
	rlk_job_clear(engine, &lock->job);
	if (!client->blocking.cranking) {
		rlk_engine_pump(engine, now);
	}
}

RLK_EXPORT void redislock_lock_free(redislock_lock *lock)
{
	if (lock == NULL) {
		return;
	}
	redislock_client *client = lock->client;
	if (rlk_forked(client)) {
		rlk_machine_abandon(&lock->job.machine);
		free(lock->job.text);
	} else {
		rlk_driver_enter(&client->driver);
		if (client->event.lock == lock) {
			client->event.lock = NULL;
		}
		if (client->form == RLK_BLOCKING) {
			bid_farewell(lock);
		} else {
			rlk_loop_forget(&client->loop, &lock->job);
		}
		rlk_driver_leave(&client->driver);
	}
	free(lock->label);
	free(lock->own_token);
	free(lock);
	rlk_client_release(client);
}

/* ---- setters ---- */

static int32_t enter_setter(redislock_lock *lock, bool valid)
{
	int32_t status = rlk_lock_enter(lock, valid, RLK_EITHER);
	if (status == REDISLOCK_OK) {
		struct rlk_machine *machine = &lock->job.machine;
		if (rlk_machine_held(machine, rlk_now()) || machine->suspended ||
		    lock->task.operation != RLK_NO_OPERATION) {
			return rlk_lock_leave(lock, REDISLOCK_IN_USE);
		}
	}
	return status;
}

RLK_EXPORT int32_t redislock_lock_set_ttl_ms(redislock_lock *lock, int64_t ttl_ms)
{
	int32_t status =
	        enter_setter(lock, ttl_ms == REDISLOCK_NO_EXPIRY || rlk_duration_valid(ttl_ms, 1, RLK_DURATION_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->job.machine.ttl = ttl_ms;
	lock->job.machine.renew = false;
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_lock_set_renewal(redislock_lock *lock, int32_t on)
{
	int32_t status = enter_setter(lock, on == 0 || on == 1);
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->job.machine.renew = on == 1;
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_lock_set_wait_ms(redislock_lock *lock, int64_t wait_ms)
{
	int32_t status = rlk_lock_enter(
	        lock, wait_ms == REDISLOCK_FOREVER || rlk_duration_valid(wait_ms, 0, RLK_DURATION_MAX), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if (lock->task.operation != RLK_NO_OPERATION) {
		return rlk_lock_leave(lock, REDISLOCK_IN_USE);
	}
	lock->job.machine.wait = wait_ms;
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_lock_set_spin_interval_ms(redislock_lock *lock, int64_t interval_ms)
{
	int32_t status = enter_setter(lock, rlk_duration_valid(interval_ms, 1, INT32_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->job.machine.interval = interval_ms;
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_lock_set_spin_growth(redislock_lock *lock, int32_t percent, int64_t max_ms)
{
	int32_t status = enter_setter(lock, percent >= GROWTH_MIN && percent <= GROWTH_MAX &&
	                                            rlk_duration_valid(max_ms, 1, INT32_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->job.machine.growth = percent;
	lock->job.machine.interval_max = max_ms;
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_lock_set_owner(redislock_lock *lock, const char *owner, size_t owner_length)
{
	int32_t status = enter_setter(lock, rlk_label_valid(owner, owner_length));
	if (status != REDISLOCK_OK) {
		return status;
	}
	char *copy = malloc(owner_length + 1);
	if (copy == NULL) {
		return rlk_lock_leave(lock, REDISLOCK_NO_MEMORY);
	}
	if (owner_length > 0) {
		memcpy(copy, owner, owner_length);
	}
	free(lock->label);
	lock->label = copy;
	lock->job.machine.label = (struct rlk_slice) { copy, owner_length };
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_lock_set_token(redislock_lock *lock, const char *token, size_t token_length)
{
	bool none = token == NULL && token_length == 0;
	int32_t status = enter_setter(lock, none || rlk_token_valid(token, token_length));
	if (status != REDISLOCK_OK) {
		return status;
	}
	char *copy = malloc(token_length + 1);
	if (copy == NULL) {
		return rlk_lock_leave(lock, REDISLOCK_NO_MEMORY);
	}
	if (token != NULL) {
		memcpy(copy, token, token_length);
	}
	free(lock->own_token);
	lock->own_token = copy;
	lock->own_token_length = (uint8_t)token_length;
	return rlk_lock_leave(lock, REDISLOCK_OK);
}

/* ---- acquire, release, extend ---- */

RLK_EXPORT int32_t redislock_lock_acquire(redislock_lock *lock)
{
	int32_t status = rlk_lock_enter(lock, true, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_driver *driver = driver_of(lock);
	struct rlk_engine *engine = &driver->engine;
	struct rlk_machine *machine = &lock->job.machine;
	rlk_lock_forget_text(lock);
	if (machine->suspended) {
		rlk_machine_resume(machine, engine->connect_timeout + engine->command_timeout, rlk_now());
		rlk_job_settle(engine, &lock->job, rlk_now());
	} else {
		struct rlk_slice token = { lock->own_token, lock->own_token_length };
		rlk_job_acquire(engine, &lock->job, token, rlk_now());
	}
	return give_back(lock, rlk_blocking_run_job(&lock->client->blocking, &lock->job, &lock->interrupts));
}

RLK_EXPORT int32_t redislock_lock_cancel(redislock_lock *lock)
{
	int32_t status = rlk_lock_enter(lock, true, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_machine *machine = &lock->job.machine;
	if (lock->client->form == RLK_EVENTLOOP) {
		return rlk_lock_leave(lock, rlk_loop_cancel(&lock->client->loop, &lock->job));
	}
	if (!machine->suspended) {
		return rlk_lock_leave(lock, REDISLOCK_OK);
	}
	rlk_lock_forget_text(lock);
	rlk_machine_cancel(machine, driver_of(lock)->engine.command_timeout, rlk_now());
	return give_back(lock, run(lock, NULL));
}

RLK_EXPORT int32_t redislock_lock_release(redislock_lock *lock)
{
	int32_t status = rlk_lock_enter(lock, true, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_machine *machine = &lock->job.machine;
	if (machine->suspended) {
		return rlk_lock_leave(lock, REDISLOCK_NOT_OWNED);
	}
	rlk_lock_forget_text(lock);
	rlk_machine_release(machine, driver_of(lock)->engine.command_timeout, rlk_now());
	return give_back(lock, run(lock, NULL));
}

RLK_EXPORT int32_t redislock_lock_extend(redislock_lock *lock, int64_t ttl_ms)
{
	int32_t status = rlk_lock_enter(
	        lock, ttl_ms == REDISLOCK_NO_EXPIRY || rlk_duration_valid(ttl_ms, 1, RLK_DURATION_MAX), RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_machine *machine = &lock->job.machine;
	if (machine->suspended) {
		return rlk_lock_leave(lock, REDISLOCK_NOT_OWNED);
	}
	rlk_lock_forget_text(lock);
	rlk_machine_extend(machine, ttl_ms, driver_of(lock)->engine.command_timeout, rlk_now());
	return give_back(lock, run(lock, NULL));
}

/* ---- asking: any thread ---- */

RLK_EXPORT int64_t redislock_lock_remaining_ms(redislock_lock *lock)
{
	if (lock == NULL || rlk_forked(lock->client)) {
		return 0;
	}
	rlk_driver_enter(driver_of(lock));
	const struct rlk_machine *machine = &lock->job.machine;
	int64_t now = rlk_now(), remaining = 0;
	if (!machine->suspended && rlk_machine_held(machine, now)) {
		remaining = machine->valid_until == RLK_NEVER ? REDISLOCK_NO_EXPIRY : machine->valid_until - now;
	}
	rlk_driver_leave(driver_of(lock));
	return remaining;
}

RLK_EXPORT int32_t redislock_lock_is_held(redislock_lock *lock)
{
	return redislock_lock_remaining_ms(lock) != 0;
}

RLK_EXPORT uint64_t redislock_lock_fence(redislock_lock *lock)
{
	if (lock == NULL || rlk_forked(lock->client)) {
		return 0;
	}
	rlk_driver_enter(driver_of(lock));
	uint64_t fence = lock->job.machine.fence;
	rlk_driver_leave(driver_of(lock));
	return fence;
}

RLK_EXPORT int32_t redislock_lock_token(redislock_lock *lock, char *token, size_t size)
{
	if (lock == NULL || token == NULL || size == 0) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(lock->client)) {
		return REDISLOCK_FORKED;
	}
	rlk_driver_enter(driver_of(lock));
	const struct rlk_machine *machine = &lock->job.machine;
	struct rlk_slice it = { machine->token, machine->token_length };
	if (it.length == 0 && lock->own_token_length > 0) {
		it = (struct rlk_slice) { lock->own_token, lock->own_token_length };
	}
	size_t length = it.length < size ? it.length : size - 1;
	memcpy(token, it.length > 0 ? it.data : "", length);
	token[length] = '\0';
	rlk_driver_leave(driver_of(lock));
	return REDISLOCK_OK;
}

static const char *borrowed(struct rlk_slice text, size_t *length)
{
	if (length != NULL) {
		*length = text.length;
	}
	return text.data;
}

RLK_EXPORT const char *redislock_lock_name(redislock_lock *lock, size_t *length)
{
	return borrowed(lock != NULL ? lock->job.place->room.names.name : (struct rlk_slice) { NULL, 0 }, length);
}

RLK_EXPORT const char *redislock_lock_channel(redislock_lock *lock, size_t *length)
{
	return borrowed(lock != NULL ? lock->job.place->room.names.channel : (struct rlk_slice) { NULL, 0 }, length);
}

RLK_EXPORT int64_t redislock_lock_place(redislock_lock *lock)
{
	if (lock == NULL || rlk_forked(lock->client)) {
		return -1;
	}
	rlk_driver_enter(driver_of(lock));
	const struct rlk_machine *machine = &lock->job.machine;
	int64_t place = machine->phase == RLK_WAITING ? machine->place : -1;
	rlk_driver_leave(driver_of(lock));
	return place;
}

RLK_EXPORT int32_t redislock_lock_interrupt(redislock_lock *lock)
{
	if (lock == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(lock->client)) {
		return REDISLOCK_FORKED;
	}
	if (lock->client->form != RLK_BLOCKING) {
		return REDISLOCK_WRONG_MODE;
	}
	rlk_blocking_interrupt(&lock->client->blocking, &lock->interrupts);
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_lock_error(redislock_lock *lock, char *text, size_t size)
{
	int32_t status = rlk_lock_enter(lock, text != NULL && size > 0, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	bool server_text =
	        lock->job.text != NULL && lock->status != REDISLOCK_NOT_OWNED && lock->status != REDISLOCK_IN_USE;
	const char *said = lock->status == REDISLOCK_OK ? "" : redislock_strerror(lock->status);
	rlk_text_copy(server_text ? lock->job.text : said, text, size);
	return rlk_lock_leave(lock, REDISLOCK_OK);
}
