(* Scores and dormancy, for every width n of a layer; a i >= 0 is the mean activation E|h_i|. *)
From Proofs Require Import Sums.

Definition not_negative (n : nat) (a : nat -> R) : Prop := all n (fun i => 0 <= a i).
Definition score (n : nat) (a : nat -> R) (i : nat) : R := a i / mean n a.
Definition dormant (n : nat) (a : nat -> R) (tau : R) (i : nat) : Prop := a i <= tau * mean n a.
Definition awake (n : nat) (a : nat -> R) (tau : R) : R :=
  sum n (fun i => above (a i) (tau * mean n a)).

Lemma width_positive n a : 0 < sum n a -> 0 < INR n.
Proof. destruct n; simpl sum; intros; [lra | apply lt_0_INR; lia]. Qed.

Lemma mean_positive n a : 0 < sum n a -> 0 < mean n a.
Proof. intros H. unfold mean. apply Rdiv_lt_0_compat; [exact H | exact (width_positive n a H)]. Qed.

(* dormancy.average-one *)
Definition average_one_given (n : nat) a : Prop := not_negative n a /\ 0 < sum n a.
Definition average_one_then (n : nat) a : Prop :=
  sum n (score n a) = INR n
  /\ some n (fun i => 1 <= score n a i) /\ all n (fun i => score n a i <= INR n).

Theorem average_one n a : average_one_given n a -> average_one_then n a.
Proof.
  intros [H HS]. pose proof (width_positive n a HS) as HN. pose proof (mean_positive n a HS) as HM.
  assert (Hn : (0 < n)%nat) by (apply INR_lt; exact HN).
  assert (T : sum n (score n a) = INR n).
  { unfold score. rewrite (sum_ext n _ (fun i => / mean n a * a i)) by (intros; unfold Rdiv; ring).
    rewrite sum_scale, <- (mean_mult n a Hn). field. lra. }
  unfold not_negative in H. rewrite all_spec in H.
  assert (P : forall i, (i < n)%nat -> 0 <= score n a i).
  { intros i Hi. unfold score.
    apply Rmult_le_pos; [apply H, Hi | apply Rlt_le, Rinv_0_lt_compat, HM]. }
  split; [exact T | split].
  - destruct (search n (fun i => 1 <= score n a i)) as [|F]; [intros; apply Rle_dec | assumption|].
    exfalso. assert (mean n a < mean n a); [|lra].
    apply (Rmult_lt_reg_l (INR n)); [exact HN|]. rewrite mean_mult at 1 by exact Hn.
    rewrite <- sum_const. apply sum_lt; [exact Hn|]. intros i Hi. specialize (F i Hi).
    apply Rnot_le_lt in F. unfold score in F.
    apply (Rmult_lt_compat_r (mean n a)) in F; [|exact HM].
    unfold Rdiv in F. rewrite Rmult_assoc, Rinv_l in F by lra. lra.
  - rewrite all_spec. intros i Hi. rewrite <- T. exact (sum_member n _ i P Hi).
Qed.

(* dormancy.few-large-shares: how many shares exceed tau, times tau, is below 1 *)
Definition few_large_shares_given (n : nat) a tau : Prop := not_negative n a /\ 0 < tau.
Definition few_large_shares_then (n : nat) a tau : Prop :=
  0 < tau /\ sum n (fun i => above (a i) (tau * sum n a)) * tau < 1.

Theorem few_large_shares n a tau :
  few_large_shares_given n a tau -> few_large_shares_then n a tau.
Proof.
  intros [H Ht]. split; [exact Ht|]. unfold not_negative in H. rewrite all_spec in H.
  pose proof (sum_nonneg n a H) as HS. set (k := sum n _).
  destruct (Rlt_dec 0 k) as [Hk|Hk]; [|nra].
  assert (K := count_above_strict n a (tau * sum n a) H ltac:(nra) Hk). fold k in K.
  destruct (Rlt_dec (k * tau) 1) as [|F]; [assumption|]. nra.
Qed.

(* dormancy.one-awake *)
Definition one_awake_given (n : nat) a tau : Prop :=
  not_negative n a /\ 0 < sum n a /\ tau < 1.
Definition one_awake_then (n : nat) a tau : Prop := 1 <= awake n a tau.

Theorem one_awake n a tau : one_awake_given n a tau -> one_awake_then n a tau.
Proof.
  intros [H [HS Ht]]. pose proof (mean_positive n a HS) as HM.
  pose proof (width_positive n a HS) as HN. assert (Hn : (0 < n)%nat) by (apply INR_lt; exact HN).
  destruct (search n (fun i => tau * mean n a < a i)) as [E|F]; [intros; apply Rlt_dec| |].
  - unfold one_awake_then, awake. set (c := tau * mean n a) in *. clearbody c. clear - E.
    induction n as [|n IH]; simpl in *; [contradiction|]. destruct E as [E|E].
    + specialize (IH E). unfold above at 2. destruct (Rlt_dec c (a n)); lra.
    + pose proof (count_nonneg n a c). unfold above at 2. destruct (Rlt_dec c (a n)); lra.
  - exfalso. assert (sum n a < sum n (fun _ => mean n a)).
    { apply sum_lt; [exact Hn|]. intros i Hi. specialize (F i Hi). apply Rnot_lt_le in F. nra. }
    rewrite sum_const, mean_mult in * by exact Hn. lra.
Qed.

(* dormancy.scale-invariant *)
Definition scale_invariant_given (n : nat) (a : nat -> R) (tau c : R) : Prop := 0 < c.
Definition scale_invariant_then (n : nat) a tau c : Prop :=
  all n (fun i => dormant n (fun j => c * a j) tau i <-> dormant n a tau i).

Theorem scale_invariant n a tau c :
  scale_invariant_given n a tau c -> scale_invariant_then n a tau c.
Proof.
  unfold scale_invariant_given, scale_invariant_then, dormant. rewrite all_spec. intros H i _.
  rewrite mean_scale. split; intros K.
  - apply (Rmult_le_reg_l c); [exact H | lra].
  - replace (tau * (c * mean n a)) with (c * (tau * mean n a)) by ring.
    apply Rmult_le_compat_l; lra.
Qed.
