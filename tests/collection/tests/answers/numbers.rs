//! Whole numbers, floats, ciphers, hashes.

use super::changed;

same! {
    numeric {
        gcd(1071, 462);
        lcm(21, 6);
        lcm(u64::MAX, u64::MAX - 1);
        extended_gcd(240, 46);
        power_modulo(3, 200, 1_000_000_007);
        sieve(100);
        factorize(360_360);
        is_prime(1_000_000_007);
        is_prime(3_215_031_751);
        fibonacci(150);
        collatz(27);
        digits_sum(u128::MAX);
        to_base(255, 16);
        to_base(0, 2);
        to_base(1, 37);
        integer_square_root(1 << 100);
        binomial(60, 30);
        binomial(3, 9);
        perfect_numbers(500);
        saturating_and_wrapping(100, 100);
        saturating_and_wrapping(-128, 1);
        bit_tricks(0b1011_0000);
        big_factorial(60);
        add_decimal("99999999999999999999999", "1");
        pythagorean_triples(30);
        luhn("4539 3195 0343 6467");
        luhn("8273 1232 7352 0569");
        totals_overflow(&[100, 100, 55]);
        totals_overflow(&[100, 100, 56]);
        chinese_remainder(&[2, 3, 2], &[3, 5, 7]);
    }

    floats {
        mean_and_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        mean_and_deviation(&[]);
        quadratic(1.0, -3.0, 2.0);
        quadratic(1.0, 2.0, 1.0);
        quadratic(1.0, 0.0, 1.0);
        newton_root(27.0, 3);
        trigonometry(30.0);
        trigonometry(123.456);
        exponentials(2.5);
        exponentials(0.001);
        roundings(-2.5);
        roundings(2.5);
        roundings(1e18 + 0.5);
        roundings(-0.2);
        euclidean_division(-7.5, 2.0);
        euclidean_division(7.5, -2.0);
        single_precision(1.5);
        compound_interest(1000.0, 3.5, 30);
        integrate(-3.0, 3.0, 100);
        bisect(1.0, 2.0);
        bisect(5.0, 6.0);
        distance([1.0, 2.0, 3.0], [4.0, 6.0, 3.0]);
        haversine((52.52, 13.405), (48.8566, 2.3522));
        format_float(1234.5678);
        format_float(-0.0);
        format_float(1e21);
        parse_floats("1.5, -2e10, nan, inf, abc");
        polynomial(&[1.0, -2.0, 0.5, 3.0], 1.7);
        linear_regression(vec![(1.0, 2.0), (2.0, 4.1), (3.0, 5.9)]);
        linear_regression(vec![(1.0, 2.0)]);
        special_values();
        clamp_and_lerp(1.7, -3.0, 5.0);
        circle(2.5);
        mandelbrot(40, 12);
        casts(-1.5);
        casts(1e30);
        casts(f64::NAN);
        map_with_method_paths(vec![-10.0, 2.0, 99.5]);
        total_order(vec![1.0, -0.0, 0.0, f64::NEG_INFINITY]);
    }

    ciphers {
        caesar("Hello, World!", 3);
        vigenere("ATTACKATDAWN", "LEMON", false);
        vigenere("LXFOPVEFRNHR", "LEMON", true);
        atbash("wizard".into());
        rail_fence("WEAREDISCOVEREDFLEEATONCE", 3);
        changed(*b"secret bytes", |data| xor_in_place(data, b"key"));
        base64_encode(b"any carnal pleas");
        base64_decode("YW55IGNhcm5hbCBwbGVhcw==");
        base64_decode("!");
        hex(&[0, 255, 16]);
        unhex("00ff10");
        unhex("0g");
        morse("Hello World");
        chacha_block(std::array::from_fn(|i| i as u8), [0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0], 1);
        rc4(b"Key", b"Plaintext".to_vec());
        xtea_encrypt([0x4142_4344, 0x4546_4748], [0x0001_0203, 0x0405_0607, 0x0809_0a0b, 0x0c0d_0e0f]);
        substitution("attack", "abct", "zyxw");
    }

    hashing {
        fnv1a(b"hello");
        djb2("hello world");
        crc32(b"123456789");
        adler32(b"Wikipedia");
        fletcher16(b"abcdefgh".to_vec());
        sip_hash("name", -7, vec![1, 2, 3]);
        sip_hash("", 0, vec![]);
        own_hasher(vec!["a".into(), "b".into(), "a".into()]);
        murmur3(b"The quick brown fox", 42);
        murmur3(b"", 1);
        sha256(b"");
        sha256(&[b'a'; 200]);
        merkle_root(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
        merkle_root(vec![]);
        xorshift(88_172_645_463_325_252, 5);
        parity([1, 3, 7, 255, 0, 128, 5, 6]);
    }
}
