(* Recycling and gradients as scores, for every number B of inputs and every width N. *)
From Proofs Require Import Sums.

(* recycling.redo-bound: h x i >= 0 are activations, out i the outgoing weights that become 0 *)
Definition activity (B : nat) (h : nat -> nat -> R) (i : nat) : R := mean B (fun x => h x i).
Definition low (B N : nat) h (tau : R) (i : nat) : R :=
  if Rle_dec (activity B h i) (tau * mean N (activity B h)) then 1 else 0.
Definition change (B N : nat) h (out : nat -> R) tau : R :=
  mean B (fun x => Rabs (sum N (fun i => low B N h tau i * (out i * h x i)))).
Definition bound (B N : nat) h (out : nat -> R) tau : R :=
  tau * mean N (activity B h) * sum N (fun i => low B N h tau i * Rabs (out i)).
Definition redo_bound_given (B N : nat) h (out : nat -> R) (tau : R) : Prop :=
  all B (fun x => all N (fun i => 0 <= h x i)).
Definition redo_bound_then (B N : nat) h out tau : Prop :=
  change B N h out tau <= bound B N h out tau.

Theorem redo_bound B N h out tau :
  redo_bound_given B N h out tau -> redo_bound_then B N h out tau.
Proof.
  unfold redo_bound_given, redo_bound_then, change. rewrite all_spec. intros H.
  apply Rle_trans with (mean B (fun x => sum N (fun i => low B N h tau i * Rabs (out i) * h x i))).
  - apply mean_le. intros x Hx. eapply Rle_trans; [apply abs_sum|]. apply sum_le. intros i Hi.
    specialize (H x Hx). rewrite all_spec in H. specialize (H i Hi). unfold low.
    destruct (Rle_dec _ _).
    + rewrite !Rmult_1_l, Rabs_mult, (Rabs_right (h x i)) by lra. lra.
    + rewrite !Rmult_0_l, Rabs_R0. lra.
  - unfold bound, mean at 1. rewrite sum_swap. unfold Rdiv. rewrite <- sum_scale_r, <- sum_scale.
    apply sum_le. intros i _. rewrite sum_scale.
    replace (low B N h tau i * Rabs (out i) * sum B (fun x => h x i) * / INR B)
      with (low B N h tau i * Rabs (out i) * activity B h i)
      by (unfold activity, mean, Rdiv; ring).
    pose proof (Rabs_pos (out i)). unfold low. destruct (Rle_dec _ _) as [L|_]; [|lra].
    rewrite !Rmult_1_l. rewrite (Rmult_comm (Rabs (out i))). apply Rmult_le_compat_r; lra.
Qed.

(* recycling.batch-mean-bound: d x are the gradients of B samples *)
Definition batch_mean_given (B : nat) (d : nat -> R) : Prop := True.
Definition batch_mean_then (B : nat) d : Prop := Rabs (mean B d) <= mean B (fun x => Rabs (d x)).

Theorem batch_mean B d : batch_mean_given B d -> batch_mean_then B d.
Proof.
  intros _. unfold batch_mean_then, mean, Rdiv. rewrite Rabs_mult.
  destruct B as [|B]; [simpl sum; rewrite Rabs_R0; lra|].
  assert (P : 0 < / INR (S B)) by (apply Rinv_0_lt_compat, lt_0_INR; lia).
  rewrite (Rabs_right (/ INR (S B))) by lra. apply Rmult_le_compat_r; [lra | apply abs_sum].
Qed.
