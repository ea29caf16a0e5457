//! Modules, traits, macros, memory, containers, input and output.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{changed, sorted, words};

same! {
    kinds {
        area(Shape::Circle { radius: 2.0 });
        area(Shape::Circle { radius: -2.0 });
        area(Shape::Triangle(3.0, 4.0, 5.0));
        (area(Shape::Rectangle { width: 2.0, height: 1.5 }), area(Shape::Point));
        fizz_buzz(15);
        [95, 85, 75, 5, 101].map(grade);
        weekday(2024, 2, 29);
        weekday(2023, 2, 29);
        days_between(Date { year: 2000, month: 1, day: 1 }, &Date { year: 2024, month: 3, day: 1 });
        next_days(Date { year: 1999, month: 12, day: 30 }, 4);
        durations(3600, std::time::Duration::from_millis(61_500));
        std_types(1..5, -3..=7, "10.0.0.1".parse().unwrap(), 7.try_into().unwrap());
        parse_address("::1");
        parse_address("1.2.3");
        state_machine("sfrs".chars().collect());
        state_machine("ff".chars().collect());
        changed(Account { owner: "A".into(), balance: 10, history: vec![] }, |a| transact(a, vec![Entry::Deposit(5), Entry::Withdrawal { amount: 3, fee: 1 }]));
        changed(Account { owner: "A".into(), balance: 1, history: vec![] }, |a| transact(a, vec![Entry::Withdrawal { amount: 3, fee: 1 }]));
        generic_types(Pair { first: "a".into(), second: vec![1] }, Pair { first: 6, second: 7 });
        const_generics([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]);
        optional_text(None, &Some("x".into()));
        optional_text(Some("y"), &None);
        let_else_and_labels(vec![vec![1, 2], vec![3, 4]], 4);
        let_else_and_labels(vec![], 4);
        tower_of_hanoi(10);
        permutations(vec!['a', 'b', 'c']);
        queens(6);
        ackermann(2, 3);
        subsets(&[1, 2, 3]);
        gray_code(3);
        merge_intervals(vec![(8, 10), (1, 3), (2, 6)]);
        convex_hull(vec![(0, 0), (2, 2), (1, 1), (2, 0), (0, 2), (1, 0)]);
        invoice(&BTreeMap::from([("tea".into(), (3, 2.5)), ("milk".into(), (1, 0.99))]), 19.0);
        many_parameters(1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6.5, 7.5, true, 'x', "o", "p".into(), &[1], vec![2], Some(3), (4, 5), [6, 7, 8], Box::new(9), (), 10, -10, Err("z".into()));
        nothing();
        diverges_on_zero(7);
    }

    modules {
        areas();
        fresh_every_time();
        extension_traits(98.6, "hello");
        at_another_path(7);
        configured();
        functions_in_functions(5);
        included();
        place();
    }

    traits {
        static_dispatch();
        dynamic_dispatch(words("Rex Fido"));
        vectors(vec![Vector { x: 1.0, y: 2.0 }, Vector { x: 3.0, y: -4.0 }]);
        custom_order(vec![(1, 2), (3, 0), (1, 9)]);
        own_iterator(9);
        bag_of_letters("banana");
        conversions(66);
        conversions(301);
        deref_and_index(vec![5, 3, 9, 1]);
        downcasts();
        borrowed_keys(HashMap::from([("a".to_owned(), 1)]), "a");
        borrowed_keys(HashMap::new(), "a");
        bounded_generics();
        visitors(40);
        formatted(&Vector { x: 1.005, y: -2.0 });
        builder(&["a", "b"]);
        closures(10);
        compose(4);
    }

    macros {
        expressions(5);
        items_from_macros(1.5, 60);
        functions_from_macros(6, 3);
        enum_from_macro("Green");
        enum_from_macro("Pink");
        scoped_macros(21);
        early_return(30);
        early_return(-1);
        early_return(200);
        counted();
        impl_from_macro(1.0, 2.5);
        std_macros(7);
        std_macros(150);
    }

    memory {
        cons_list(&[1, 2, 3]);
        linked_list(words("a b c"));
        search_tree(vec![5, 2, 8, 1, 9, 5]);
        family();
        cells(5);
        locks("two");
        locks("ten");
        thread_locals(3);
        arcs(vec![10, 20]);
        drop_order();
        channel(vec![1, 2, 3]);
        sizes();
        swaps(vec![1], vec![2, 3]);
        changed([1, 2, 3], |v| raw_pointers(v));
        arena(words("x y"));
    }

    containers {
        sorted(group_by_length(words("a bb cc d eee")));
        entries(vec![("a".into(), 1), ("b".into(), 2), ("a".into(), 5), ("b".into(), -2)]);
        set_operations(HashSet::from([1, 2, 3]), HashSet::from([2, 3, 4]));
        ranges(BTreeMap::from([(1, 'a'), (2, 'b'), (5, 'c'), (9, 'd')]));
        deque(vec![1, 3, -1, -3, 5, 3, 6, 7], 3);
        k_largest(vec![5, 1, 9, 7, 3], 3);
        linked(vec![1, 2, 3, 4]);
        lru_cache(2, words("a b a c b a"));
        invert(HashMap::from([("x".to_owned(), 1), ("y".to_owned(), 2), ("z".to_owned(), 1)]));
        sorted(keys_of_own_types(vec![Key::Id(1), Key::Nothing, Key::Name { first: "A".into(), last: "B".into() }, Key::Id(1)]));
        iterator_tour(vec![1, 2, 3, 4, 5, 6]);
        more_iterators("h\u{e9}llo!");
        vec_methods(vec![1, 1, 2, 3, 3, 4]);
        slices(&[1, 2, 3, 4]);
        slices(&[]);
        tree_entries(&words("apple avocado banana cherry"));
        flat_and_peek(vec![Some(vec![1, 2, 3]), None, Some(vec![7]), Some(vec![8, 10])]);
        map_of_maps(vec![("a".into(), "x".into(), 1), ("a".into(), "x".into(), 2), ("b".into(), "y".into(), 3)]);
        collect_results(words("1 2 3"));
        collect_results(words("1 x 300"));
        lookups_through_references("hello", &['l', 'z', 'o']);
        entries_by_name(&words("a b a"));
        custom_hashers(&[1, 2, 2, 3]);
        set_algebra(vec![1, 2, 3, 5], vec![5, 7]);
    }

    input_output {
        count_lines(b"one\ntwo two two two two two two\r\nthree");
        count_lines(b"\xff\n");
        write_report(words("Ann Bob"));
        read_header(b"IMG0\x01\x02\x03\x04abcdefgh".to_vec());
        read_header(b"IMG1".to_vec());
        read_header(b"IMG0\x01".to_vec());
        seek_and_patch(b"abcdef".to_vec());
        error_chain(b"1\n2\n39\n");
        error_chain(b"1\nx\n");
        error_chain(b"");
        error_chain(b"\xff");
        boxed_errors("7 / 2");
        boxed_errors("7");
        boxed_errors("x/2");
        boxed_errors("7/x");
        boxed_errors("7/0");
        copy_between(b"data");
        split_records(b"a;bb;;c");
        own_writer("shout");
        bounded_writer(b"fits");
        bounded_writer(b"does not fit");
    }
}
