(* The law of Adam's epsilon, for every number T of steps and N of weights. m t i is the corrected
   momentum, r t i >= 0 the root of the corrected second moment: all that a step is made of. *)
From Proofs Require Import Sums.

Definition step (alpha eps : R) (m r : nat -> nat -> R) (t i : nat) : R :=
  alpha * (m t i / (r t i + eps)).
Definition roots (T N : nat) (r : nat -> nat -> R) : Prop :=
  all T (fun t => all N (fun i => 0 <= r t i)).

Lemma step_size alpha eps m r t i : 0 <= alpha -> 0 < eps -> 0 <= r t i ->
  Rabs (step alpha eps m r t i) = alpha * (Rabs (m t i) / (r t i + eps)).
Proof.
  intros Ha He Hr. unfold step, Rdiv. rewrite !Rabs_mult, (Rabs_right alpha) by lra.
  rewrite (Rabs_right (/ (r t i + eps))); [reflexivity|].
  apply Rle_ge, Rlt_le, Rinv_0_lt_compat. lra.
Qed.

Lemma step_short alpha eps m r t i : 0 <= alpha -> 0 < eps -> 0 <= r t i ->
  Rabs (step alpha eps m r t i) <= alpha / eps * Rabs (m t i).
Proof.
  intros Ha He Hr. rewrite step_size by assumption. unfold Rdiv. rewrite (Rmult_assoc alpha).
  apply Rmult_le_compat_l; [exact Ha|]. rewrite (Rmult_comm (/ eps)).
  apply Rmult_le_compat_l; [apply Rabs_pos|]. apply Rinv_le_contravar; lra.
Qed.

(* dominance.epsilon-path: of one weight, the first; top is at least every root *)
Definition length (T : nat) (alpha eps : R) m r : R :=
  sum T (fun t => Rabs (step alpha eps m r t O)).
Definition most (T : nat) (alpha eps : R) (m : nat -> nat -> R) : R :=
  alpha / eps * sum T (fun t => Rabs (m t O)).
Definition epsilon_path_given (T : nat) (alpha eps top : R) (m r : nat -> nat -> R) : Prop :=
  0 <= alpha /\ 0 < eps /\ roots T 1 r /\ all T (fun t => r t O <= top).
Definition epsilon_path_then (T : nat) alpha eps top m r : Prop :=
  most T alpha eps m / (1 + top / eps) <= length T alpha eps m r <= most T alpha eps m.

Theorem epsilon_path T alpha eps top m r :
  epsilon_path_given T alpha eps top m r -> epsilon_path_then T alpha eps top m r.
Proof.
  intros [Ha [He [Hr Ht]]]. unfold roots in Hr. rewrite all_spec in Hr, Ht.
  assert (Hr0 : forall t, (t < T)%nat -> 0 <= r t O).
  { intros t H. specialize (Hr t H). rewrite all_spec in Hr. apply Hr. lia. }
  unfold epsilon_path_then, length, most. split.
  - destruct T as [|T]; [simpl; unfold Rdiv; rewrite Rmult_0_r, Rmult_0_l; lra|].
    assert (H0 : 0 <= top) by (pose proof (Hr0 O ltac:(lia)); pose proof (Ht O ltac:(lia)); lra).
    assert (D : 0 < top + eps) by lra.
    replace (alpha / eps * sum (S T) (fun t => Rabs (m t O)) / (1 + top / eps))
      with (alpha / (top + eps) * sum (S T) (fun t => Rabs (m t O))) by (field; lra).
    rewrite <- sum_scale. apply sum_le. intros t H. rewrite step_size by auto. unfold Rdiv.
    rewrite (Rmult_assoc alpha). apply Rmult_le_compat_l; [exact Ha|].
    rewrite Rmult_comm. apply Rmult_le_compat_l; [apply Rabs_pos|].
    pose proof (Hr0 t H). pose proof (Ht t H). apply Rinv_le_contravar; lra.
  - rewrite <- sum_scale. apply sum_le. intros t H. apply step_short; auto.
Qed.

(* dominance.epsilon-survives: z = w·x of a unit with N weights, at every step up to T *)
Fixpoint weight (w : nat -> R) (alpha eps : R) m r (t i : nat) : R :=
  match t with O => w i | S s => weight w alpha eps m r s i - step alpha eps m r s i end.
Definition z (N : nat) (x w : nat -> R) alpha eps m r (t : nat) : R :=
  sum N (fun i => x i * weight w alpha eps m r t i).
Definition reach (T N : nat) (x : nat -> R) (alpha eps : R) (m : nat -> nat -> R) : R :=
  alpha / eps * sum T (fun t => sum N (fun i => Rabs (x i) * Rabs (m t i))).
Definition epsilon_survives_given (T N : nat) x w alpha eps m r : Prop :=
  0 <= alpha /\ 0 < eps /\ roots T N r /\ reach T N x alpha eps m < z N x w alpha eps m r 0.
Definition epsilon_survives_then (T N : nat) x w alpha eps m r : Prop :=
  all (S T) (fun t => 0 < z N x w alpha eps m r t).

Theorem epsilon_survives T N x w alpha eps m r :
  epsilon_survives_given T N x w alpha eps m r -> epsilon_survives_then T N x w alpha eps m r.
Proof.
  intros [Ha [He [Hr Hz]]]. unfold roots in Hr. rewrite all_spec in Hr.
  set (zt := z N x w alpha eps m r) in *.
  set (fall := fun t => sum N (fun i => Rabs (x i) * Rabs (m t i))).
  assert (Hf : forall t, 0 <= fall t).
  { intros t. apply sum_nonneg. intros. apply Rmult_le_pos; apply Rabs_pos. }
  assert (Hae : 0 <= alpha / eps).
  { apply Rmult_le_pos; [exact Ha | apply Rlt_le, Rinv_0_lt_compat, He]. }
  assert (W : forall t, (t <= T)%nat -> zt 0%nat - alpha / eps * sum t fall <= zt t).
  { induction t as [|t IH]; intros Ht; [simpl; lra|]. specialize (IH ltac:(lia)).
    assert (E : zt (S t) = zt t - sum N (fun i => x i * step alpha eps m r t i)).
    { unfold zt, z. simpl weight. rewrite <- sum_minus. apply sum_ext. intros. ring. }
    assert (L : sum N (fun i => x i * step alpha eps m r t i) <= alpha / eps * fall t).
    { unfold fall. rewrite <- sum_scale. apply sum_le. intros i Hi.
      eapply Rle_trans; [apply Rle_abs|]. rewrite Rabs_mult.
      specialize (Hr t ltac:(lia)). rewrite all_spec in Hr.
      pose proof (step_short alpha eps m r t i Ha He (Hr i Hi)). pose proof (Rabs_pos (x i)).
      replace (alpha / eps * (Rabs (x i) * Rabs (m t i)))
        with (Rabs (x i) * (alpha / eps * Rabs (m t i))) by ring.
      apply Rmult_le_compat_l; assumption. }
    simpl sum. lra. }
  unfold epsilon_survives_then. rewrite all_spec. intros t Ht. fold zt.
  specialize (W t ltac:(lia)).
  assert (M : sum t fall <= sum T fall).
  { clear - Hf Ht. assert (G : forall k, sum t fall <= sum (t + k) fall).
    { induction k as [|k IH]; [rewrite Nat.add_0_r; lra|].
      rewrite Nat.add_succ_r. simpl. pose proof (Hf (t + k)%nat). lra. }
    specialize (G (T - t)%nat). replace (t + (T - t))%nat with T in G by lia. exact G. }
  unfold reach in Hz. fold fall in Hz. pose proof (Rmult_le_compat_l _ _ _ Hae M). lra.
Qed.
