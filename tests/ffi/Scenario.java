// SPDX-License-Identifier: MIT

import com.sun.jna.IntegerType;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The scenario (see run) through JNA, declared by hand. Arguments: LIBRARY URL. */
public class Scenario {
	static final int REDISLOCK_OK = 0;
	static final int REDISLOCK_NOT_ACQUIRED = 1;
	static final int REDISLOCK_INVALID_ARGUMENT = -1;
	static final int REDISLOCK_NOT_OWNED = -3;
	static final int REDISLOCK_IN_USE = -18;
	static final int REDISLOCK_KIND_PUBSUB = 1;
	static final int REDISLOCK_KIND_SPIN = 2;
	static final long REDISLOCK_NO_EXPIRY = -1;

	/** JNA has no size_t of its own. */
	public static class Size extends IntegerType {
		public Size() {
			this(0);
		}

		public Size(long value) {
			super(Native.SIZE_T_SIZE, value, true);
		}
	}

	public interface Redislock extends Library {
		int redislock_client_new(String url, PointerByReference client);
		void redislock_client_free(Pointer client);
		int redislock_lock_new(Pointer client, int kind, byte[] name, Size length, PointerByReference lock);
		void redislock_lock_free(Pointer lock);
		int redislock_lock_set_ttl_ms(Pointer lock, long ttl_ms);
		int redislock_lock_set_wait_ms(Pointer lock, long wait_ms);
		int redislock_lock_acquire(Pointer lock);
		int redislock_lock_release(Pointer lock);
		int redislock_lock_extend(Pointer lock, long ttl_ms);
		int redislock_lock_is_held(Pointer lock);
		long redislock_lock_remaining_ms(Pointer lock);
		long redislock_lock_fence(Pointer lock);
		Pointer redislock_lock_name(Pointer lock, PointerByReference length);
		int redislock_lock_error(Pointer lock, byte[] text, Size size);
		String redislock_strerror(int status);
	}

	static void expect(Object got, Object wanted) {
		if (!got.equals(wanted))
			throw new AssertionError(got + " instead of " + wanted);
	}

	public static void main(String[] arguments) {
		Redislock c = Native.load(arguments[0], Redislock.class);
		PointerByReference out = new PointerByReference();
		expect(c.redislock_client_new("nonsense", out), REDISLOCK_INVALID_ARGUMENT);
		expect(out.getValue() == null, true);
		expect(c.redislock_client_new(arguments[1], out), REDISLOCK_OK);
		Pointer client = out.getValue();

		byte[] name = "free".getBytes(StandardCharsets.UTF_8);
		expect(c.redislock_lock_new(client, REDISLOCK_KIND_SPIN, name, new Size(name.length), out), REDISLOCK_OK);
		Pointer free = out.getValue();
		expect(c.redislock_lock_set_ttl_ms(free, (1L << 53) - 1), REDISLOCK_OK);
		expect(c.redislock_lock_acquire(free), REDISLOCK_OK);
		expect(c.redislock_lock_acquire(free), REDISLOCK_IN_USE);
		long remaining = c.redislock_lock_remaining_ms(free);
		expect(1L << 52 < remaining && remaining < 1L << 53, true);
		expect(c.redislock_lock_extend(free, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		expect(c.redislock_lock_remaining_ms(free), REDISLOCK_NO_EXPIRY);
		expect(c.redislock_lock_is_held(free), 1);
		expect(c.redislock_lock_release(free), REDISLOCK_OK);
		expect(c.redislock_lock_is_held(free), 0);

		name = "ffi\0lock".getBytes(StandardCharsets.UTF_8);
		expect(c.redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, new Size(name.length), out), REDISLOCK_OK);
		Pointer lock = out.getValue();
		PointerByReference length = new PointerByReference();
		Pointer borrowed = c.redislock_lock_name(lock, length);
		int size = (int) Pointer.nativeValue(length.getValue());
		expect(Arrays.equals(borrowed.getByteArray(0, size), name), true);
		expect(c.redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
		expect(c.redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
		expect(c.redislock_lock_fence(lock), 0L);
		expect(c.redislock_lock_set_wait_ms(lock, 60000), REDISLOCK_OK);
		expect(c.redislock_lock_acquire(lock), REDISLOCK_OK);
		expect(c.redislock_lock_fence(lock), 9007199254740991L);
		expect(c.redislock_lock_release(lock), REDISLOCK_OK);
		expect(c.redislock_lock_release(lock), REDISLOCK_NOT_OWNED);

		byte[] text = new byte[256];
		String notOwned = c.redislock_strerror(REDISLOCK_NOT_OWNED);
		expect(c.redislock_lock_error(lock, text, new Size(text.length)), REDISLOCK_OK);
		expect(Native.toString(text), notOwned);
		expect(c.redislock_lock_error(lock, text, new Size(8)), REDISLOCK_OK);
		expect(Native.toString(text), notOwned.substring(0, 7));

		c.redislock_lock_free(lock);
		c.redislock_lock_free(free);
		c.redislock_client_free(client);
	}
}
