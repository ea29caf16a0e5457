//! Sorting, searching, graphs, dynamic programming, simulations, matrices.

use super::{changed, words};

const EMPTY: [i32; 0] = [];

same! {
    sorting {
        bubble_sort(vec![5, -1, 3, 3, 0]);
        bubble_sort(vec![]);
        bubble_sort((0..50).rev().collect());
        insertion_sort(&[9, 2, i64::MIN, 7, i64::MAX]);
        changed(vec![3, 1, 2, 65535, 0], selection_sort);
        merge_sort(vec![8, 7, 6, 5, 1, 2]);
        merge_sort_words(words("the quick brown fox jumps over the lazy dog"));
        changed([4, 9, -3, 0, 4], |v| quick_sort(v));
        changed([0; 0], |v| quick_sort(v));
        heap_sort(vec![3, 1, 4, 1, 5, 9, 2, 6]);
        counting_sort(b"hello, world");
        radix_sort(vec![1 << 31, 7, 0xffff_ffff, 256, 255]);
        shell_sort(vec![-5, 12, 7, 7, -32768, 3]);
        sort_floats(vec![2.5, -1.0, 1e300, 0.0, f64::NEG_INFINITY]);
        sort_by_several_keys(vec![("bo".into(), 3), ("al".into(), 3), ("cy".into(), 9)]);
        sort_case_insensitively("b A c B a");
        changed(vec![5, 3, 1], |v| median(v));
        changed(vec![5, 3, 1, 8], |v| median(v));
        changed(vec![], |v| median(v));
        top_three(vec![5, 9, 1, 7]);
        is_sorted_any(&[3, 2, 2]);
        is_sorted_any(&[3, 2, 4]);
        inversions(vec![2, 4, 1, 3, 5]);
    }

    searching {
        binary_search(&[1, 3, 5, 7], 5);
        binary_search(&[1, 3, 5, 7], 4);
        binary_search(&EMPTY, 4);
        linear_search(&words("a b c"), "c");
        lower_and_upper_bound(vec![1, 2, 2, 2, 3], 2);
        two_sum(vec![2, 7, 11, 15], 9);
        two_sum(vec![1], 2);
        find_peak(&[1, 2, 3, 1]);
        kmp_find_all("abracadabra", "abra");
        kmp_find_all("aaaa", "aa");
        rabin_karp(b"hello world", b"o w");
        rabin_karp(b"hello", b"xyz");
        ternary_search_max((-1.0, 4.0, 3.0));
        boyer_moore_majority(&[2, 2, 1, 1, 2]);
        boyer_moore_majority(&[1, 2]);
        kth_smallest(vec![9, 3, 7, 1], 2);
        kth_smallest(vec![9], 2);
        longest_run("aabbbcc\u{e9}\u{e9}\u{e9}\u{e9}");
    }

    graphs {
        dijkstra(4, vec![Edge { from: 0, to: 1, cost: 4 }, Edge { from: 0, to: 2, cost: 1 }, Edge { from: 2, to: 1, cost: 2 }], 0);
        bellman_ford(3, &[(0, 1, 4), (1, 2, -3)], 0);
        bellman_ford(2, &[(0, 1, -1), (1, 0, -1)], 0);
        floyd_warshall(vec![vec![Some(0), Some(5), None], vec![None, Some(0), Some(2)], vec![Some(1), None, Some(0)]]);
        bfs_levels([(1, vec![2, 3]), (2, vec![4]), (3, vec![4])].into(), 1);
        depth_first_order(vec![vec![2], vec![], vec![3, 1], vec![0]]);
        topological_order(vec![("shoes".into(), "walk".into()), ("socks".into(), "shoes".into())]);
        topological_order(vec![("a".into(), "b".into()), ("b".into(), "a".into())]);
        kruskal(3, vec![Edge { from: 0, to: 1, cost: 9 }, Edge { from: 1, to: 2, cost: 1 }, Edge { from: 0, to: 2, cost: 2 }]);
        kruskal(3, vec![]);
        components(5, &[(0, 1), (3, 4)]);
        is_bipartite(&[vec![1], vec![0, 2], vec![1]]);
        is_bipartite(&[vec![1, 2], vec![0, 2], vec![0, 1]]);
        shortest_path_in_maze(words("S.#. ..#E ...."));
        shortest_path_in_maze(words("S#E"));
        strongly_connected(vec![vec![1], vec![2], vec![0, 3], vec![]]);
    }

    dynamic {
        knapsack(&[1, 3, 4, 5], &[1, 4, 5, 7], 7);
        longest_common_subsequence("AGGTAB", "GXTXAYB");
        levenshtein("kitten".into(), "sitting".into());
        levenshtein(String::new(), "na\u{ef}ve".into());
        coin_change(vec![1, 5, 12], 15);
        coin_change(vec![4], 7);
        ways_to_change(&[1, 5, 10, 25, 50], 1000);
        longest_increasing_subsequence(&[10, 9, 2, 5, 3, 7, 101, 18]);
        maximum_subarray(vec![-2, 1, -3, 4, -1, 2, 1, -5, 4]);
        maximum_subarray(vec![]);
        matrix_chain(&[40, 20, 30, 10, 30]);
        house_robber(vec![2, 7, 9, 3, 1]);
        edit_script("abcd", "acxd");
        unique_paths(vec![vec![false; 7], vec![false, true, false, false, true, false, false], vec![false; 7]]);
        catalan(30);
        partition_equal(&[1, 5, 11, 5]);
        partition_equal(&[1, 2, 5]);
        word_break("applepenapple", vec!["apple", "pen"]);
        word_break("catsandog", vec!["cats", "dog", "sand"]);
    }

    simulation {
        game_of_life(vec![vec![false, true, false, false], vec![false, false, true, false], vec![true, true, true, false], vec![false; 4]], 5);
        elementary_automaton(110, 31, 8);
        brainfuck("++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.", b"");
        brainfuck(",[.,]", b"echo");
        brainfuck("[", b"");
        brainfuck("<", b"");
        {
            use Instruction::*;
            stack_machine(vec![Push(5), Dup, JumpIfZero(8), Dup, Print, Push(1), Sub, Jump(1)])
        };
        stack_machine(vec![Instruction::Add]);
        stack_machine(vec![Instruction::Jump(0)]).map_err(|trap| trap.to_string());
        stack_machine(vec![Instruction::Push(i64::MAX), Instruction::Dup, Instruction::Mul]);
        langtons_ant(500);
        monte_carlo_pi(10_000, 42);
        shuffle((0..52).collect(), 7);
        bank_queue(&[0, 1, 2, 3, 10], 5, 2);
        traffic(Light::Green, 10);
        josephus(10, 3);
        projectile(20.0, 45.0);
        tic_tac_toe([Some('x'), Some('o'), None, None, Some('x'), Some('o'), None, None, Some('x')]);
        tic_tac_toe([None; 9]);
        bowling(&[10; 12]);
        bowling(&[9, 1, 9, 1, 3]);
    }

    matrix {
        multiply(Matrix::from_rows([[1, 2], [3, 4]]), Matrix::from_rows([[0, 1], [1, 0]]));
        add_and_negate(Matrix::from_rows([[1.5, 2.0]]), Matrix::from_rows([[0.5, -2.0]]));
        transpose(&Matrix::from_rows([[1, 2, 3], [4, 5, 6]]));
        show(Matrix::from_rows([[10, 20], [30, 40]]));
        determinant(vec![vec![2.0, 0.0, 1.0], vec![1.0, 3.0, 2.0], vec![1.0, 1.0, 4.0]]);
        solve(vec![vec![2.0, 1.0], vec![1.0, 3.0]], vec![3.0, 5.0]);
        solve(vec![vec![1.0, 1.0], vec![1.0, 1.0]], vec![3.0, 5.0]);
        spiral(vec![vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]]);
        changed([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]], |m| rotate_in_place(m));
        pascal(12);
        fibonacci_by_matrix(40);
        saddle_points(&[vec![9, 8, 7], vec![5, 3, 2], vec![6, 6, 7]]);
        sudoku([
            [5, 3, 0, 0, 7, 0, 0, 0, 0], [6, 0, 0, 1, 9, 5, 0, 0, 0], [0, 9, 8, 0, 0, 0, 0, 6, 0],
            [8, 0, 0, 0, 6, 0, 0, 0, 3], [4, 0, 0, 8, 0, 3, 0, 0, 1], [7, 0, 0, 0, 2, 0, 0, 0, 6],
            [0, 6, 0, 0, 0, 0, 2, 8, 0], [0, 0, 0, 4, 1, 9, 0, 0, 5], [0, 0, 0, 0, 8, 0, 0, 7, 9],
        ]);
    }
}
