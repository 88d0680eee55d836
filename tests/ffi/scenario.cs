// SPDX-License-Identifier: MIT

using System;
using System.Runtime.InteropServices;
using System.Text;

/// <summary>The scenario (see run) through P/Invoke, declared by hand. Arguments: URL.</summary>
static class Scenario
{
    const int REDISLOCK_OK = 0;
    const int REDISLOCK_NOT_ACQUIRED = 1;
    const int REDISLOCK_INVALID_ARGUMENT = -1;
    const int REDISLOCK_NOT_OWNED = -3;
    const int REDISLOCK_IN_USE = -18;
    const int REDISLOCK_KIND_PUBSUB = 1;
    const int REDISLOCK_KIND_SPIN = 2;
    const long REDISLOCK_NO_EXPIRY = -1;

    const string Library = "libredislock.so.1";

    [DllImport(Library)] static extern int redislock_client_new(byte[] url, out IntPtr client);
    [DllImport(Library)] static extern void redislock_client_free(IntPtr client);
    [DllImport(Library)] static extern int redislock_lock_new(IntPtr client, int kind, byte[] name, UIntPtr length,
                                                                 out IntPtr handle);
    [DllImport(Library)] static extern void redislock_lock_free(IntPtr handle);
    [DllImport(Library)] static extern int redislock_lock_set_ttl_ms(IntPtr handle, long ttl_ms);
    [DllImport(Library)] static extern int redislock_lock_set_wait_ms(IntPtr handle, long wait_ms);
    [DllImport(Library)] static extern int redislock_lock_acquire(IntPtr handle);
    [DllImport(Library)] static extern int redislock_lock_release(IntPtr handle);
    [DllImport(Library)] static extern int redislock_lock_extend(IntPtr handle, long ttl_ms);
    [DllImport(Library)] static extern int redislock_lock_is_held(IntPtr handle);
    [DllImport(Library)] static extern long redislock_lock_remaining_ms(IntPtr handle);
    [DllImport(Library)] static extern ulong redislock_lock_fence(IntPtr handle);
    [DllImport(Library)] static extern IntPtr redislock_lock_name(IntPtr handle, out UIntPtr length);
    [DllImport(Library)] static extern int redislock_lock_error(IntPtr handle, byte[] text, UIntPtr size);
    [DllImport(Library)] static extern IntPtr redislock_strerror(int status);

    static void Expect<T>(T got, T wanted)
    {
        if (!got.Equals(wanted))
            throw new Exception(got + " instead of " + wanted);
    }

    static byte[] Bytes(string text)
    {
        return Encoding.UTF8.GetBytes(text);
    }

    static IntPtr NewLock(IntPtr client, int kind, byte[] name)
    {
        IntPtr handle;
        Expect(redislock_lock_new(client, kind, name, (UIntPtr)(uint)name.Length, out handle), REDISLOCK_OK);
        return handle;
    }

    /// <summary>The error text of a lock, read into a buffer of which the library is told its size.</summary>
    static string Error(IntPtr handle, int size)
    {
        var text = new byte[size];
        Expect(redislock_lock_error(handle, text, (UIntPtr)(uint)size), REDISLOCK_OK);
        return Encoding.UTF8.GetString(text, 0, Array.IndexOf(text, (byte)0));
    }

    static void Main(string[] arguments)
    {
        IntPtr client;
        Expect(redislock_client_new(Bytes("nonsense\0"), out client), REDISLOCK_INVALID_ARGUMENT);
        Expect(client, IntPtr.Zero);
        Expect(redislock_client_new(Bytes(arguments[0] + "\0"), out client), REDISLOCK_OK);

        IntPtr free = NewLock(client, REDISLOCK_KIND_SPIN, Bytes("free"));
        Expect(redislock_lock_set_ttl_ms(free, (1L << 53) - 1), REDISLOCK_OK);
        Expect(redislock_lock_acquire(free), REDISLOCK_OK);
        Expect(redislock_lock_acquire(free), REDISLOCK_IN_USE);
        long remaining = redislock_lock_remaining_ms(free);
        Expect(1L << 52 < remaining && remaining < 1L << 53, true);
        Expect(redislock_lock_extend(free, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
        Expect(redislock_lock_remaining_ms(free), REDISLOCK_NO_EXPIRY);
        Expect(redislock_lock_is_held(free), 1);
        Expect(redislock_lock_release(free), REDISLOCK_OK);
        Expect(redislock_lock_is_held(free), 0);

        const string name = "ffi\0lock";
        IntPtr contended = NewLock(client, REDISLOCK_KIND_PUBSUB, Bytes(name));
        UIntPtr length;
        IntPtr borrowed = redislock_lock_name(contended, out length);
        var copy = new byte[(int)length];
        Marshal.Copy(borrowed, copy, 0, copy.Length);
        Expect(Encoding.UTF8.GetString(copy), name);
        Expect(redislock_lock_set_wait_ms(contended, 0), REDISLOCK_OK);
        Expect(redislock_lock_acquire(contended), REDISLOCK_NOT_ACQUIRED);
        Expect(redislock_lock_fence(contended), 0UL);
        Expect(redislock_lock_set_wait_ms(contended, 60000), REDISLOCK_OK);
        Expect(redislock_lock_acquire(contended), REDISLOCK_OK);
        Expect(redislock_lock_fence(contended), 9007199254740991UL);
        Expect(redislock_lock_release(contended), REDISLOCK_OK);
        Expect(redislock_lock_release(contended), REDISLOCK_NOT_OWNED);

        string notOwned = Marshal.PtrToStringAnsi(redislock_strerror(REDISLOCK_NOT_OWNED));
        Expect(Error(contended, 256), notOwned);
        Expect(Error(contended, 8), notOwned.Substring(0, 7));

        redislock_lock_free(contended);
        redislock_lock_free(free);
        redislock_client_free(client);
    }
}
