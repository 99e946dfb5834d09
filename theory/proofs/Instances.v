(* Statements at an instance: to see that they say there what Python's predicates say. *)
From Proofs Require Export Sums.
Require Export List.
Export ListNotations.
Open Scope R_scope.

Definition entries (l : list R) (i : nat) : R := nth i l 0.
Definition rows (l : list (list R)) (i j : nat) : R := nth j (nth i l []) 0.

(* closed terms: which way each case distinction goes is decided by arithmetic *)
Ltac reckon :=
  repeat match goal with
  | |- context [Rabs ?x] => first [rewrite (Rabs_right x) by lra | rewrite (Rabs_left1 x) by lra]
  | |- context [Rlt_dec ?x ?y] =>
      first [destruct (Rlt_dec x y); [| exfalso; lra] | destruct (Rlt_dec x y); [exfalso; lra |]]
  | |- context [Rle_dec ?x ?y] =>
      first [destruct (Rle_dec x y); [| exfalso; lra] | destruct (Rle_dec x y); [exfalso; lra |]]
  | |- context [Req_EM_T ?x ?y] =>
      first [destruct (Req_EM_T x y); [| exfalso; lra] | destruct (Req_EM_T x y); [exfalso; lra |]]
  end.

(* lra takes quotients of literals; field brings others there, if what they divide by is not 0 *)
Ltac not_zero := let H := fresh in intros H; lra.
Ltac true_number := first [lra | field_simplify; repeat split; first [lra | not_zero]].
Ltac false_number H :=
  first [lra | field_simplify in H; repeat split; first [lra | not_zero]].

(* a combination of equations and inequalities is true of closed terms, or false *)
Ltac true_here :=
  lazymatch goal with
  | |- True => exact I
  | |- _ /\ _ => split; true_here
  | |- _ \/ _ => first [left; true_here | right; true_here]
  | |- _ -> _ =>
      let H := fresh in first [intros _; true_here | intros H; exfalso; revert H; false_here]
  | |- (_ <= _)%nat => lia
  | |- _ => true_number
  end
with false_here :=
  lazymatch goal with
  | |- False -> _ => intros []
  | |- _ /\ _ -> _ =>
      let H := fresh in
      first [intros [H _]; revert H; false_here | intros [_ H]; revert H; false_here]
  | |- _ \/ _ -> _ => let H := fresh in intros [H|H]; revert H; false_here
  | |- (?A -> ?B) -> _ =>
      let H := fresh in intros H; cut B; [false_here | apply H; true_here]
  | |- (_ <= _)%nat -> _ => lia
  | |- _ => let H := fresh in intros H; false_number H
  end.

Ltac compute_here :=
  cbv -[Rplus Rminus Rmult Ropp Rinv Rdiv Rabs Rlt Rle Rlt_dec Rle_dec Req_EM_T IZR].
Ltac holds := compute_here; reckon; true_here.
Ltac fails := compute_here; reckon; false_here.
