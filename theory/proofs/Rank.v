(* Lines of Theorem 2's proof, for every batch of B rows and N columns; x i j: entry j of row i.
   As in Python nothing holds of a quotient by 0: a conclusion says that there is none. *)
From Proofs Require Import Sums.

Definition column (B : nat) (x : nat -> nat -> R) (j : nat) : R := sum B (fun i => x i j).
Definition energy (B : nat) (x : nat -> nat -> R) (j : nat) : R := sum B (fun i => x i j * x i j).
Definition energies (B N : nat) x : R := sum N (energy B x).
Definition squares (B N : nat) x : R := sum N (fun j => column B x j * column B x j).

Lemma energy_nonneg B x j : 0 <= energy B x j.
Proof. apply sum_nonneg. intros. apply Rle_0_sqr. Qed.

(* rank.eq-10-small *)
Definition eq_10_small_given (B N : nat) (x : nat -> nat -> R) : Prop := True.
Definition eq_10_small_then (B N : nat) x : Prop := squares B N x <= INR B * energies B N x.

Theorem eq_10_small B N x : eq_10_small_given B N x -> eq_10_small_then B N x.
Proof.
  intros _. unfold eq_10_small_then, squares, energies. rewrite <- sum_scale. apply sum_le.
  intros j _. apply square_of_sum.
Qed.

(* rank.line-11, for N = n + 1 columns *)
Definition bottom (B n : nat) x : R :=
  energy B x O + sum n (fun j => column B x (S j) * column B x (S j)).
Definition line_11_given (B n : nat) x : Prop :=
  0 < energies B (S n) x /\ all B (fun i => all (S n) (fun j => 0 <= x i j)).
Definition line_11_then (B n : nat) x : Prop :=
  energies B (S n) x <> 0 /\ bottom B n x <> 0
  /\ squares B (S n) x / bottom B n x <= squares B (S n) x / energies B (S n) x.

Theorem line_11 B n x : line_11_given B n x -> line_11_then B n x.
Proof.
  intros [HE H]. assert (L : energies B (S n) x <= bottom B n x).
  { unfold energies, bottom. rewrite sum_first. apply Rplus_le_compat_l. apply sum_le.
    intros j Hj. apply sum_of_squares. intros i Hi.
    rewrite all_spec in H. specialize (H i Hi). rewrite all_spec in H. apply H. lia. }
  repeat split; try lra. apply Rmult_le_compat_l.
  - apply sum_nonneg. intros. apply Rle_0_sqr.
  - apply Rinv_le_contravar; assumption.
Qed.

(* rank.line-13-unordered *)
Definition cross (B : nat) (x : nat -> nat -> R) : R :=
  sum B (fun j => sum j (fun i => x i O * x j O)).
Definition line_13_given (B n : nat) x : Prop := bottom B n x <> 0.
Definition line_13_then (B n : nat) x : Prop :=
  bottom B n x <> 0
  /\ (column B x O * column B x O + sum n (fun j => column B x (S j) * column B x (S j)))
    / bottom B n x = 1 + 2 * cross B x / bottom B n x.

Lemma square_split B x : column B x O * column B x O = energy B x O + 2 * cross B x.
Proof.
  unfold column, energy, cross. induction B as [|B IH]; simpl; [lra|].
  set (s := sum B (fun i => x i O)) in *.
  replace ((s + x B O) * (s + x B O)) with (s * s + x B O * x B O + 2 * (s * x B O)) by ring.
  rewrite IH. unfold s. rewrite <- sum_scale_r. ring.
Qed.

Theorem line_13 B n x : line_13_given B n x -> line_13_then B n x.
Proof.
  intros H. split; [exact H|]. rewrite square_split. unfold bottom in *. field. exact H.
Qed.

(* rank.eq-10-measures: 1/kappa - 1 = (sum of the variances) / (sum of the squared means) *)
Definition mean_of (B : nat) (x : nat -> nat -> R) (j : nat) : R := mean B (fun i => x i j).
Definition var_of (B : nat) (x : nat -> nat -> R) (j : nat) : R :=
  mean B (fun i => (x i j - mean_of B x j) * (x i j - mean_of B x j)).
Definition kappa (B N : nat) x : R := squares B N x / (INR B * energies B N x).
Definition variation (B N : nat) x : R :=
  sum N (var_of B x) / sum N (fun j => mean_of B x j * mean_of B x j).
Definition eq_10_measures_given (B N : nat) x : Prop := 0 < squares B N x.
Definition eq_10_measures_then (B N : nat) x : Prop :=
  squares B N x <> 0 /\ 1 / kappa B N x - 1 = variation B N x.

Lemma spread_of B x j : (0 < B)%nat ->
  INR B * var_of B x j = energy B x j - INR B * (mean_of B x j * mean_of B x j).
Proof.
  intros HB. unfold var_of. rewrite mean_mult by exact HB. unfold energy. set (m := mean_of B x j).
  rewrite (sum_ext B _ (fun i => (x i j * x i j - 2 * m * x i j) + m * m)) by (intros; ring).
  rewrite sum_plus, sum_minus, sum_scale, sum_const.
  assert (E : sum B (fun i => x i j) = INR B * m) by (unfold m, mean_of; rewrite mean_mult; auto).
  rewrite E. ring.
Qed.

Lemma squares_positive B N x : 0 < squares B N x -> (0 < B)%nat.
Proof.
  destruct B; [|lia]. unfold squares, column. simpl.
  rewrite (sum_ext N _ (fun _ => 0)), sum_zero by (intros; ring). lra.
Qed.

Theorem eq_10_measures B N x : eq_10_measures_given B N x -> eq_10_measures_then B N x.
Proof.
  unfold eq_10_measures_given. intros H. pose proof (squares_positive B N x H) as HB.
  assert (HI : 0 < INR B) by (apply lt_0_INR; exact HB).
  set (q := sum N (fun j => mean_of B x j * mean_of B x j)).
  assert (Q : squares B N x = INR B * INR B * q).
  { unfold squares, q. rewrite <- sum_scale. apply sum_ext. intros j _.
    assert (E : column B x j = INR B * mean_of B x j)
      by (unfold column, mean_of; rewrite mean_mult; auto).
    rewrite E. ring. }
  assert (W : energies B N x = INR B * (sum N (var_of B x) + q)).
  { rewrite Rmult_plus_distr_l. unfold q. rewrite <- !sum_scale, <- sum_plus. apply sum_ext.
    intros j _. rewrite spread_of by exact HB. ring. }
  assert (Hq : 0 < q) by (rewrite Q in H; nra).
  assert (Hv : 0 <= sum N (var_of B x))
    by (apply sum_nonneg; intros; apply mean_nonneg; intros; apply Rle_0_sqr).
  split; [lra|]. unfold kappa, variation. fold q. rewrite Q, W. field. lra.
Qed.

(* rank.variation-beats-eq-10, squared: m² = n - 1, t² = CV² *)
Definition variation_beats_given (B N : nat) x : Prop := 0 < squares B N x.
Definition variation_beats_then (B N : nat) x : Prop :=
  squares B N x <> 0
  /\ 4 * (INR (Nat.min B N) - 1) * variation B N x
  <= (INR (Nat.min B N) - 1 + variation B N x) * (INR (Nat.min B N) - 1 + variation B N x).

Theorem variation_beats B N x : variation_beats_given B N x -> variation_beats_then B N x.
Proof.
  intros H. split; [unfold variation_beats_given in H; lra|]. set (m := INR (Nat.min B N) - 1).
  set (t := variation B N x). pose proof (Rle_0_sqr (m - t)). unfold Rsqr in *. lra.
Qed.
