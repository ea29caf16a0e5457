//! Strings and parsers.

use std::collections::BTreeMap;

use super::{sorted, words};

same! {
    strings {
        reverse("stressed \u{1f980}");
        is_palindrome("A man, a plan, a canal: Panama");
        is_palindrome("no");
        sorted(word_frequencies("the cat and The dog, the end"));
        most_common_word("b a b a c".into());
        most_common_word(String::new());
        title_case("hello wide  world");
        snake_case("HelloWideWorld");
        camel_case("hello_wide-world".into());
        run_length_encode("aaabccd");
        run_length_decode("3a1b2c1d");
        run_length_decode("a");
        wrap("the quick brown fox jumps over the lazy dog", 12);
        escape_html("<a href=\"x\">b & c</a>");
        escape_html("plain");
        anagram_groups(words("listen silent enlist google elbow below"));
        unique_characters("abcdef");
        unique_characters("hello");
        common_prefix(&["flower", "flow", "flight"]);
        common_prefix(&[]);
        roman(1994);
        from_roman("MCMXCIV");
        from_roman("ABC");
        pad_table(vec![("one".into(), 1), ("thirteen".into(), -13)]);
        char_classes("Ab1 \t,!\u{e9}\u{1f980}");
        longest_palindrome("forgeeksskeegfor");
        template("Dear {{ name }}, {{thing}}!", &BTreeMap::from([("name".into(), "Ann".into()), ("thing".into(), "hi".into())]));
        template("{{", &BTreeMap::new());
        template("{{x}}", &BTreeMap::new());
        vowels_removed("Hello World");
        split_columns(" a, b ,c");
        utf16_round_trip("a\u{1f980}");
        lossy(&[b'a', 0xff, b'b']);
        pig_latin("hello apple string");
    }

    parsers {
        evaluate("2 * (3 + 4) - 5 / 2");
        evaluate("2 ^ 3 ^ 2");
        evaluate("-(1)");
        evaluate("1 / 0");
        evaluate("1 + ");
        evaluate("(1");
        evaluate("1.2.3");
        evaluate("1 $");
        to_reverse_polish("3 + 4 * 2 / ( 1 - 5 ) ^ 2");
        to_reverse_polish("(1");
        parse_json(r#" {"a": [1, -2.5e3, true, null], "b": {"c": "x\ny\"z"}} "#);
        parse_json("[1, 2");
        parse_json("{\"a\" 1}");
        parse_json("nul");
        print_json(&Json::Array(vec![Json::Null, Json::Number(1.5), Json::Text("a\"b".into())]));
        json_depth("[[[]], {\"a\": [1]}]".into());
        parse_csv("a,b\n\"c,\"\"d\",e\n");
        parse_query("?a=1&b=x+y&c");
        percent_decode("a%20b%C3%A9");
        percent_decode("%zz");
        parse_ini("x = 1\n[s]\n# c\ny=2 \n");
        parse_ini("[s]\nbad");
        balanced("{[()]}");
        balanced("(]");
        balanced("((");
        newest(words("1.2.3 1.10.0 0.9.9"));
        newest(words("1.2"));
        newest(words("1.x.3"));
        parse_lisp("(add 1 (mul 2 3))");
        parse_lisp("(add");
        glob_match("*.r?", "main.rs");
        glob_match("a*b", "acd");
    }
}
