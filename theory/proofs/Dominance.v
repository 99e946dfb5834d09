(* Dominant neurons, for every number N = n + 1 of neurons and every number B of inputs.
   g x j >= 0: what neuron j gives at input x; neuron 0 is the paper's neuron 1. *)
From Proofs Require Import Sums.

Definition z (n : nat) (w g : nat -> R) (b : R) : R := sum (S n) (fun j => w j * g j) + b.
Definition Y (n : nat) (w g : nat -> R) (b : R) : R :=
  Rabs (w O) * g O - sum n (fun j => Rabs (w (S j)) * g (S j)) - Rabs b.
Definition mean_z (B n : nat) g w b : R := mean B (fun x => z n w (g x) b).
Definition mean_Y (B n : nat) g w b : R := mean B (fun x => Y n w (g x) b).
Definition rectified (B n : nat) (g : nat -> nat -> R) : Prop :=
  all B (fun x => all (S n) (fun j => 0 <= g x j)).
Definition mean_of (B : nat) (g : nat -> nat -> R) (j : nat) : R := mean B (fun x => g x j).
Definition rest (n : nat) (m : nat -> R) : R := sum n (fun j => m (S j)).
Definition score (n : nat) (m : nat -> R) (i : nat) : R := INR (S n) * m i / sum (S n) m.
Definition threshold (n : nat) (rho : R) : R := INR (S n) * rho / (1 + rho).
Definition bounded (n : nat) (w : nat -> R) (rho : R) : Prop :=
  all n (fun j => Rabs (w (S j)) <= rho * Rabs (w O)).

Lemma rectified_at B n g x : rectified B n g -> (x < B)%nat ->
  forall j, (j < S n)%nat -> 0 <= g x j.
Proof.
  intros H Hx. unfold rectified in H. rewrite all_spec in H. specialize (H x Hx).
  rewrite all_spec in H. exact H.
Qed.

Lemma margin_at n w g b : (forall j, (j < S n)%nat -> 0 <= g j) ->
  Y n w g b <= sgn (w O) * z n w g b.
Proof.
  intros H. unfold Y, z. rewrite sum_first.
  set (s := sum n (fun i => w (S i) * g (S i))).
  assert (Hs : Rabs s <= sum n (fun j => Rabs (w (S j)) * g (S j))).
  { eapply Rle_trans; [apply abs_sum|]. apply sum_le. intros i Hi. rewrite Rabs_mult.
    pose proof (H (S i) ltac:(lia)). rewrite (Rabs_right (g (S i))) by lra. lra. }
  pose proof (sgn_mult (w O) s). pose proof (sgn_mult (w O) b).
  replace (sgn (w O) * (w O * g O + s + b))
    with (sgn (w O) * w O * g O + sgn (w O) * s + sgn (w O) * b) by ring.
  rewrite sgn_abs. lra.
Qed.

Lemma z_zero n w g : bounded n w 0 \/ w O = 0 /\ (exists rho, bounded n w rho) -> w O = 0 ->
  z n w g 0 = 0.
Proof.
  intros H Hw. unfold z. rewrite (sum_ext _ _ (fun _ => 0)), sum_zero; [lra|].
  intros [|j] Hj; [rewrite Hw; ring|]. assert (w (S j) = 0) as ->; [|ring].
  assert (Hb : exists rho, bounded n w rho) by (destruct H as [H|[_ H]]; eauto).
  destruct Hb as [rho Hb]. unfold bounded in Hb. rewrite all_spec in Hb.
  specialize (Hb j ltac:(lia)). rewrite Hw, Rabs_R0, Rmult_0_r in Hb.
  pose proof (Rabs_pos (w (S j))). destruct (Req_dec (w (S j)) 0) as [E|E]; [exact E|].
  pose proof (Rabs_pos_lt _ E). lra.
Qed.

(* |w_j| <= rho |w_0| and g_0 > rho (g_1 + .. + g_n): the sign of z is that of w_0 *)
Lemma ratio_at n w g rho : 0 < rho -> (forall j, (j < S n)%nat -> 0 <= g j) ->
  rho * rest n g < g O -> bounded n w rho -> sgn (z n w g 0) = sgn (w O).
Proof.
  intros Hr Hg H Hb. destruct (Req_dec (w O) 0) as [E|E].
  - rewrite z_zero, E; [reflexivity | right; eauto | exact E].
  - apply sgn_same. pose proof (margin_at n w g 0 Hg) as M. unfold Y in M. rewrite Rabs_R0 in M.
    pose proof (Rabs_pos_lt _ E). unfold rest in H.
    assert (K : sum n (fun j => Rabs (w (S j)) * g (S j))
                <= rho * Rabs (w O) * sum n (fun j => g (S j))).
    { rewrite <- sum_scale. apply sum_le. intros j Hj. apply Rmult_le_compat_r; [apply Hg; lia|].
      unfold bounded in Hb. rewrite all_spec in Hb. apply Hb. exact Hj. }
    nra.
Qed.

Lemma ratio_of_scores n m rho : 0 < sum (S n) m -> 0 < rho ->
  (threshold n rho < score n m O <-> rho * rest n m < m O).
Proof.
  intros HS Hr. unfold threshold, score, rest. rewrite sum_first in *.
  set (s := sum n (fun i => m (S i))) in *. set (N := INR (S n)).
  assert (HN : 0 < N) by (apply lt_0_INR; lia).
  assert (D : 0 < (m O + s) * (1 + rho)) by nra.
  assert (E : N * m O / (m O + s) - N * rho / (1 + rho)
              = N * (m O - rho * s) / ((m O + s) * (1 + rho))) by (field; lra).
  split; intros H.
  - assert (P : 0 < N * (m O - rho * s) / ((m O + s) * (1 + rho))) by lra.
    apply (Rmult_lt_compat_r _ _ _ D) in P. unfold Rdiv in P.
    rewrite Rmult_assoc, Rinv_l, Rmult_1_r in P by lra. nra.
  - assert (P : 0 < N * (m O - rho * s) / ((m O + s) * (1 + rho))); [|lra].
    apply Rdiv_lt_0_compat; nra.
Qed.

Lemma z_mean B n w g b : (0 < B)%nat -> mean_z B n g w b = z n w (mean_of B g) b.
Proof.
  intros HB. unfold mean_z, mean_of, z, mean. rewrite sum_plus, sum_const, sum_swap.
  assert (HI : INR B <> 0) by (apply not_0_INR; lia).
  rewrite (sum_ext (S n) (fun j => w j * (sum B (fun x => g x j) / INR B))
    (fun j => sum B (fun x => w j * g x j) * / INR B)).
  - rewrite sum_scale_r. field. exact HI.
  - intros j _. rewrite sum_scale. unfold Rdiv. ring.
Qed.

Lemma mean_of_nonneg B n g : rectified B n g -> forall j, (j < S n)%nat -> 0 <= mean_of B g j.
Proof.
  intros H j Hj. apply mean_nonneg. intros x Hx. exact (rectified_at B n g x H Hx j Hj).
Qed.

(* dominance.margin *)
Definition margin_given (B n : nat) g (w : nat -> R) (b : R) : Prop := rectified B n g.
Definition margin_then (B n : nat) g w b : Prop :=
  all B (fun x => Y n w (g x) b <= sgn (w O) * z n w (g x) b).

Theorem margin B n g w b : margin_given B n g w b -> margin_then B n g w b.
Proof.
  intros H. unfold margin_then. rewrite all_spec. intros x Hx. apply margin_at.
  exact (rectified_at B n g x H Hx).
Qed.

(* dominance.pointwise *)
Definition pointwise_given (B n : nat) g w b : Prop :=
  rectified B n g /\ all B (fun x => 0 < Y n w (g x) b).
Definition pointwise_then (B n : nat) g w b : Prop :=
  all B (fun x => sgn (z n w (g x) b) = sgn (w O)).

Theorem pointwise B n g w b : pointwise_given B n g w b -> pointwise_then B n g w b.
Proof.
  intros [H HY]. unfold pointwise_then. rewrite all_spec in *. intros x Hx.
  pose proof (margin_at n w (g x) b (rectified_at B n g x H Hx)). specialize (HY x Hx).
  apply sgn_same. lra.
Qed.

(* dominance.pointwise-ratio *)
Definition pointwise_ratio_given (B n : nat) g w b rho : Prop :=
  rectified B n g /\ 0 < rho /\ all B (fun x => rho * rest n (g x) < g x O)
  /\ bounded n w rho /\ b = 0.
Definition pointwise_ratio_then (B n : nat) g w b (rho : R) : Prop :=
  all B (fun x => sgn (z n w (g x) b) = sgn (w O)).

Theorem pointwise_ratio B n g w b rho :
  pointwise_ratio_given B n g w b rho -> pointwise_ratio_then B n g w b rho.
Proof.
  intros [H [Hr [Hg [Hb ->]]]]. unfold pointwise_ratio_then. rewrite all_spec in *. intros x Hx.
  apply (ratio_at n w (g x) rho); auto. exact (rectified_at B n g x H Hx).
Qed.

(* dominance.expectation *)
Definition expectation_given (B n : nat) g w b : Prop :=
  rectified B n g /\ 0 < mean_Y B n g w b.
Definition expectation_then (B n : nat) g w b : Prop :=
  sgn (mean_z B n g w b) = sgn (w O).

Theorem expectation B n g w b : expectation_given B n g w b -> expectation_then B n g w b.
Proof.
  intros [H HY]. apply sgn_same. unfold mean_z. rewrite <- mean_scale.
  eapply Rlt_le_trans; [exact HY|].
  apply mean_le. intros x Hx. exact (margin_at n w (g x) b (rectified_at B n g x H Hx)).
Qed.

(* dominance.expectation-ratio *)
Definition expectation_ratio_given (B n : nat) g w b rho : Prop :=
  rectified B n g /\ 0 < rho
  /\ (0 < sum (S n) (mean_of B g) /\ threshold n rho < score n (mean_of B g) O)
  /\ bounded n w rho /\ b = 0.
Definition expectation_ratio_then (B n : nat) g w b (rho : R) : Prop :=
  sgn (mean_z B n g w b) = sgn (w O).

Theorem expectation_ratio B n g w b rho :
  expectation_ratio_given B n g w b rho -> expectation_ratio_then B n g w b rho.
Proof.
  intros [H [Hr [[HS Hu] [Hb ->]]]]. unfold expectation_ratio_then. destruct B as [|B].
  - exfalso. rewrite (sum_ext _ _ (fun _ => 0)), sum_zero in HS; [lra|].
    intros j _. apply mean_none.
  - rewrite z_mean by lia. apply (ratio_at n w _ rho); auto.
    + exact (mean_of_nonneg (S B) n g H).
    + apply ratio_of_scores; assumption.
Qed.

(* dominance.ratio and, with rho = 1, dominance.definition-1 *)
Definition ratio_given (n : nat) m rho : Prop := 0 < sum (S n) m /\ 0 < rho.
Definition ratio_then (n : nat) m rho : Prop :=
  threshold n rho < score n m O <-> rho * rest n m < m O.

Theorem ratio n m rho : ratio_given n m rho -> ratio_then n m rho.
Proof. intros [HS Hr]. apply ratio_of_scores; assumption. Qed.

Definition definition_1_given (n : nat) m : Prop := 0 < sum (S n) m.
Definition definition_1_then (n : nat) m : Prop := INR (S n) / 2 < score n m O <-> rest n m < m O.

Theorem definition_1 n m : definition_1_given n m -> definition_1_then n m.
Proof.
  intros H. pose proof (ratio_of_scores n m 1 H ltac:(lra)) as E. unfold threshold in E.
  unfold definition_1_then. replace (INR (S n) / 2) with (INR (S n) * 1 / (1 + 1)) by field.
  rewrite Rmult_1_l in E. exact E.
Qed.

(* dominance.at-most-one *)
Definition at_most_one_given (n : nat) m : Prop := all (S n) (fun j => 0 <= m j).
Definition at_most_one_then (n : nat) m : Prop :=
  sum (S n) (fun i => above (score n m i) (INR (S n) / 2)) <= 1.

Theorem at_most_one n m : at_most_one_given n m -> at_most_one_then n m.
Proof.
  unfold at_most_one_given, at_most_one_then. rewrite all_spec. intros H.
  set (u := score n m). set (k := sum (S n) (fun i => above (u i) (INR (S n) / 2))).
  assert (HN : 0 < INR (S n)) by (apply lt_0_INR; lia).
  pose proof (sum_nonneg (S n) m H) as HS.
  destruct (Rle_lt_or_eq_dec _ _ HS) as [HP|HZ].
  - assert (Hu : forall i, (i < S n)%nat -> 0 <= u i).
    { intros i Hi. unfold u, score. apply Rmult_le_pos; [|apply Rlt_le, Rinv_0_lt_compat, HP].
      apply Rmult_le_pos; [lra | apply H, Hi]. }
    assert (HU : sum (S n) u = INR (S n)).
    { unfold u, score. rewrite (sum_ext _ _ (fun i => (INR (S n) / sum (S n) m) * m i)).
      - rewrite sum_scale. field. lra.
      - intros. unfold Rdiv. ring. }
    destruct (Rle_dec k 1) as [|Hk]; [assumption|]. exfalso.
    pose proof (count_above_strict (S n) u (INR (S n) / 2) Hu ltac:(lra) ltac:(fold k; lra)) as K.
    fold k in K. rewrite HU in K.
    (* more than 1 of a whole number is 2 *)
    assert (W : forall p, exists q, sum p (fun i => above (u i) (INR (S n) / 2)) = INR q).
    { generalize (INR (S n) / 2). intros half.
      induction p as [|p [q IH]]; [exists O; reflexivity|]. simpl sum. rewrite IH. unfold above.
      destruct (Rlt_dec half (u p)).
      - exists (S q). rewrite S_INR. reflexivity.
      - exists q. lra. }
    destruct (W (S n)) as [q Hq]. fold k in Hq. rewrite Hq in *.
    assert (2 <= INR q); [|nra].
    apply (le_INR 2). apply Rnot_le_lt in Hk. apply (INR_lt 1) in Hk. lia.
  - assert (k = 0); [|lra]. unfold k. rewrite (sum_ext _ _ (fun _ => 0)), sum_zero; [reflexivity|].
    intros i Hi. unfold above, u, score.
    pose proof (sum_member (S n) m i H Hi). pose proof (H i Hi).
    replace (m i) with 0 by lra. unfold Rdiv. rewrite Rmult_0_r, Rmult_0_l.
    destruct (Rlt_dec (INR (S n) * / 2) 0); lra.
Qed.

(* dominance.threshold-sharp: w = (1, -rho, .., -rho) *)
Definition threshold_sharp_given (n : nat) m rho : Prop :=
  0 < sum (S n) m /\ 0 < rho /\ score n m O <= threshold n rho.
Definition threshold_sharp_then (n : nat) m rho : Prop := m O - rho * rest n m <= 0.

Theorem threshold_sharp n m rho :
  threshold_sharp_given n m rho -> threshold_sharp_then n m rho.
Proof.
  intros [HS [Hr Hu]]. unfold threshold_sharp_then.
  destruct (Rlt_dec (rho * rest n m) (m O)) as [H|H]; [|lra].
  apply (ratio_of_scores n m rho HS Hr) in H. lra.
Qed.

(* dominance.equal-others *)
Definition equal_others_given (B n : nat) g w b : Prop :=
  rectified B n g /\ (1 <= n)%nat
  /\ all n (fun j => mean_of B g (S j) = mean_of B g 1)
  /\ all n (fun j => mean_of B g (S j) < mean_of B g O)
  /\ mean (S n) w <= w O /\ (w O <= 0 \/ 0 <= mean (S n) w) /\ b = 0.
Definition equal_others_then (B n : nat) g w b : Prop :=
  (0 < w O -> 0 < mean_z B n g w b)
  /\ (w O <= 0 -> mean_z B n g w b <= 0).

Theorem equal_others B n g w b : equal_others_given B n g w b -> equal_others_then B n g w b.
Proof.
  intros [H [Hn [He [Hl [Hw [Hs ->]]]]]]. unfold equal_others_then.
  rewrite all_spec in He, Hl. destruct B as [|B].
  - exfalso. specialize (Hl O ltac:(lia)). unfold mean_of in Hl. rewrite !mean_none in Hl. lra.
  - pose proof (mean_of_nonneg (S B) n g H 1%nat ltac:(lia)) as Hc.
    pose proof (Hl O ltac:(lia)) as Hm. set (c := mean_of (S B) g 1) in *.
    rewrite z_mean by lia. unfold z. rewrite sum_first.
    rewrite (sum_ext n _ (fun j => c * w (S j))).
    2: { intros j Hj. rewrite (He j Hj). ring. }
    rewrite sum_scale. assert (HN : 0 < INR (S n)) by (apply lt_0_INR; lia).
    assert (E : w O + sum n (fun j => w (S j)) = INR (S n) * mean (S n) w).
    { rewrite mean_mult by lia. rewrite sum_first. reflexivity. }
    set (rest_ := sum n (fun j => w (S j))) in *. set (a := mean_of (S B) g O) in *.
    set (mw := mean (S n) w) in *.
    replace (w O * a + c * rest_ + 0) with (w O * (a - c) + c * (INR (S n) * mw))
      by (rewrite <- E; ring).
    split; intros Hw0.
    + assert (0 <= mw) by lra.
      assert (0 <= c * (INR (S n) * mw)) by (apply Rmult_le_pos; [|apply Rmult_le_pos]; lra). nra.
    + assert (0 <= - mw) by lra.
      assert (0 <= c * (INR (S n) * - mw)) by (apply Rmult_le_pos; [|apply Rmult_le_pos]; lra). nra.
Qed.

(* dominance.fraction: Cantelli's inequality over B inputs *)
Definition agreement (B n : nat) g w b : R :=
  mean B (fun x => if Req_EM_T (sgn (z n w (g x) b)) (sgn (w O)) then 1 else 0).
Definition var_Y (B n : nat) g w b : R :=
  mean B (fun x => (Y n w (g x) b - mean_Y B n g w b) * (Y n w (g x) b - mean_Y B n g w b)).
Definition fraction_given (B n : nat) g w b : Prop := rectified B n g /\ 0 < mean_Y B n g w b.
Definition fraction_then (B n : nat) g w b : Prop :=
  mean_Y B n g w b * mean_Y B n g w b
    / (mean_Y B n g w b * mean_Y B n g w b + var_Y B n g w b) <= agreement B n g w b.

Lemma cantelli B y m k : (0 < B)%nat -> m = mean B y -> 0 < m ->
  k = mean B (fun x => above (y x) 0) ->
  m * m / (m * m + mean B (fun x => (y x - m) * (y x - m))) <= k.
Proof.
  intros HB Hm Hpos Hk. set (v := mean B (fun x => (y x - m) * (y x - m))).
  assert (HI : 0 < INR B) by (apply lt_0_INR; exact HB).
  assert (Sy : sum B y = INR B * m) by (rewrite Hm, mean_mult; auto).
  assert (Sk : sum B (fun x => above (y x) 0) = INR B * k) by (rewrite Hk, mean_mult; auto).
  assert (Sv : INR B * v = sum B (fun x => y x * y x) - INR B * (m * m)).
  { unfold v. rewrite mean_mult by exact HB.
    rewrite (sum_ext B _ (fun x => (y x * y x - 2 * m * y x) + m * m)) by (intros; ring).
    rewrite sum_plus, sum_minus, sum_scale, sum_const, Sy. ring. }
  assert (Hv : 0 <= v) by (apply mean_nonneg; intros; apply Rle_0_sqr).
  set (one := fun x => above (y x) 0) in *.
  assert (C := cauchy B one (fun x => one x * y x)). cbv beta in C.
  assert (idem : forall x, one x * one x = one x)
    by (intros; unfold one, above; destruct (Rlt_dec 0 (y x)); lra).
  rewrite (sum_ext B (fun x => one x * one x) one) in C by (intros; apply idem).
  rewrite (sum_ext B (fun x => one x * (one x * y x)) (fun x => one x * y x)) in C
    by (intros; rewrite <- Rmult_assoc, idem; reflexivity).
  assert (P : INR B * m <= sum B (fun x => one x * y x)).
  { rewrite <- Sy. apply sum_le. intros x _. unfold one, above. destruct (Rlt_dec 0 (y x)); lra. }
  assert (Q : sum B (fun x => one x * y x * (one x * y x)) <= sum B (fun x => y x * y x)).
  { apply sum_le. intros x _. unfold one, above.
    destruct (Rlt_dec 0 (y x)); [lra|]. pose proof (Rle_0_sqr (y x)). unfold Rsqr in *. lra. }
  fold one in Sk. rewrite Sk in C.
  assert (Kk : 0 <= k).
  { rewrite Hk. apply mean_nonneg. intros i _. unfold one, above. destruct (Rlt_dec 0 (y i)); lra. }
  assert (D : 0 < m * m + v) by nra.
  apply (Rmult_le_reg_r (m * m + v)); [exact D|]. unfold Rdiv.
  rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  assert (E : sum B (fun x => y x * y x) = INR B * (m * m + v)) by lra.
  rewrite E in Q.
  assert (F1 : INR B * m * (INR B * m) <= INR B * k * (INR B * (m * m + v))).
  { eapply Rle_trans; [|eapply Rle_trans; [exact C|]].
    - apply Rmult_le_compat; try exact P; apply Rmult_le_pos; lra.
    - apply Rmult_le_compat_l; [apply Rmult_le_pos; lra | exact Q]. }
  apply (Rmult_le_reg_l (INR B * INR B)); [nra|]. lra.
Qed.

Theorem fraction B n g w b : fraction_given B n g w b -> fraction_then B n g w b.
Proof.
  intros [H Hm]. unfold fraction_then. destruct B as [|B].
  { exfalso. unfold mean_Y in Hm. rewrite mean_none in Hm. lra. }
  eapply Rle_trans; [eapply (cantelli (S B) (fun x => Y n w (g x) b)); eauto; lia|].
  apply mean_le. intros x Hx. unfold above.
  pose proof (margin_at n w (g x) b (rectified_at (S B) n g x H Hx)).
  destruct (Rlt_dec 0 (Y n w (g x) b)) as [HY|HY].
  - destruct (Req_EM_T _ _) as [|E]; [lra|]. exfalso. apply E. apply sgn_same. lra.
  - destruct (Req_EM_T _ _); lra.
Qed.

(* dominance.mirror *)
Definition mirror_given (B n : nat) (g : nat -> nat -> R) (w : nat -> R) (b : R) : Prop := b = 0.
Definition mirror_then (B n : nat) g w b : Prop :=
  all B (fun x => 0 < z n w (g x) b) <-> all B (fun x => z n (fun j => - w j) (g x) b < 0).

Theorem mirror B n g w b : mirror_given B n g w b -> mirror_then B n g w b.
Proof.
  unfold mirror_given, mirror_then. intros ->. rewrite !all_spec.
  assert (E : forall x, z n (fun j => - w j) (g x) 0 = - z n w (g x) 0).
  { intros x. unfold z. rewrite (sum_ext _ _ (fun j => - (w j * g x j))) by (intros; ring).
    rewrite sum_opp. ring. }
  split; intros H x Hx; specialize (H x Hx); rewrite ?E in *; lra.
Qed.

(* dominance.one-step-kill: N inputs g, M neurons with incoming w j and outgoing v j; the step of
   plain gradient descent on (yhat - y)^2 / 2 of neuron 0's incoming weights *)
Definition pre (N : nat) g (w : nat -> R) : R := sum N (fun i => w i * g i).
Definition residual (N M : nat) g w v y : R := sum M (fun j => v j * relu (pre N g (w j))) - y.
Definition stepped (N M : nat) g w v y alpha (i : nat) : R :=
  w O i - alpha * residual N M g w v y * v O * g i * above (pre N g (w O)) 0.
Definition one_step_kill_given (N M : nat) g (w : nat -> nat -> R) (v : nat -> R) (y alpha : R)
  : Prop := 0 < pre N g (w O).
Definition one_step_kill_then (N M : nat) g w v y alpha : Prop :=
  pre N g (stepped N M g w v y alpha) <= 0
  <-> pre N g (w O) <= alpha * residual N M g w v y * v O * sum N (fun i => g i * g i).

Theorem one_step_kill N M g w v y alpha :
  one_step_kill_given N M g w v y alpha -> one_step_kill_then N M g w v y alpha.
Proof.
  unfold one_step_kill_given, one_step_kill_then. intros H.
  assert (E : pre N g (stepped N M g w v y alpha)
    = pre N g (w O) - alpha * residual N M g w v y * v O * sum N (fun i => g i * g i)); [|lra].
  unfold stepped, above. destruct (Rlt_dec 0 (pre N g (w O))) as [_|F]; [|lra].
  unfold pre at 1. set (c := alpha * residual N M g w v y * v O).
  rewrite (sum_ext N _ (fun i => w O i * g i - c * (g i * g i))) by (intros; ring).
  rewrite sum_minus, sum_scale. reflexivity.
Qed.

(* dominance.some-survive: M neurons at z, read by v, target y; c = alpha times the square of the
   input's norm. Plain gradient descent, the head frozen; then of every number t of steps. *)
Record head := Head {
  h_width : nat; h_v : nat -> R; h_y : R; h_c : R; h_z : nat -> R (* z at first *)
}.

Section Survival.
Variable h : head.
Local Notation M := (h_width h).
Local Notation v := (h_v h).
Local Notation y := (h_y h).
Local Notation c := (h_c h).
Local Notation z0 := (h_z h).

Definition error_at (z : nat -> R) : R := sum M (fun j => v j * relu (z j)) - y.
Definition descend (z : nat -> R) (j : nat) : R :=
  z j - c * v j * error_at z * above (z j) 0.
Fixpoint at_time (t : nat) : nat -> R :=
  match t with O => z0 | S s => descend (at_time s) end.
Definition active_squares (z : nat -> R) : R := sum M (fun j => v j * v j * above (z j) 0).
Definition some_survive_given (t : nat) : Prop := 0 <= c /\ c * active_squares z0 <= 1.
Definition some_survive_then (t : nat) : Prop :=
  all M (fun j => 0 < z0 j -> v j * error_at z0 <= 0 -> 0 < at_time t j).

(* e = 1 or -1: the sign that the error has at first *)
Lemma error_keeps_sign e z : e = 1 \/ e = -1 -> 0 <= c -> c * active_squares z <= 1 ->
  0 <= e * error_at z -> 0 <= e * error_at (descend z).
Proof.
  intros He Hc Hk Hr. set (r := error_at z) in *.
  assert (E : e * error_at (descend z) - (1 - c * active_squares z) * (e * r)
    = sum M (fun j => e * v j * (relu (descend z j) - (relu (z j) - c * v j * r * above (z j) 0)))).
  { rewrite (sum_ext M _ (fun j => e * (v j * relu (descend z j)) - e * (v j * relu (z j))
      + c * (e * r) * (v j * v j * above (z j) 0))) by (intros; ring).
    rewrite sum_plus, sum_minus, !sum_scale. unfold error_at at 1, active_squares.
    assert (R0 : sum M (fun j => v j * relu (z j)) = r + y) by (unfold r, error_at; ring).
    rewrite R0. ring. }
  assert (P : 0 <= sum M (fun j =>
    e * v j * (relu (descend z j) - (relu (z j) - c * v j * r * above (z j) 0)))).
  { apply sum_nonneg. intros j _. unfold descend, relu, above. fold r.
    destruct (Rlt_dec 0 (z j)) as [Hz|Hz].
    - destruct (Rlt_dec 0 (z j - c * v j * r * 1)) as [Ha|Ha]; [right; ring|].
      (* it died: v r > 0, so that e v >= 0 *)
      assert (0 < c * (v j * r)) by nra.
      assert (0 < v j * r) by (destruct (Rlt_dec 0 (v j * r)); [assumption | nra]).
      assert (0 <= e * v j).
      { destruct He as [-> | ->]; nra. }
      apply Rmult_le_pos; lra.
    - destruct (Rlt_dec 0 (z j - c * v j * r * 0)); [exfalso; lra | right; ring]. }
  assert (0 <= (1 - c * active_squares z) * (e * r)) by (apply Rmult_le_pos; lra). lra.
Qed.

Lemma stays_shut t j : ~ 0 < z0 j -> ~ 0 < at_time t j.
Proof.
  intros H. induction t as [|t IH]; [exact H|]. simpl. unfold descend, above.
  destruct (Rlt_dec 0 (at_time t j)); [contradiction | lra].
Qed.

Lemma squares_shrink t : 0 <= c -> c * active_squares (at_time t) <= c * active_squares z0.
Proof.
  intros Hc. apply Rmult_le_compat_l; [exact Hc|]. apply sum_le. intros j _.
  apply Rmult_le_compat_l; [apply Rle_0_sqr|]. unfold above.
  destruct (Rlt_dec 0 (at_time t j)) as [H|H], (Rlt_dec 0 (z0 j)) as [H0|H0]; try lra.
  exfalso. exact (stays_shut t j H0 H).
Qed.

Theorem some_survive t : some_survive_given t -> some_survive_then t.
Proof.
  intros [Hc Hk]. unfold some_survive_then. rewrite all_spec. intros j _ Hz Hr.
  set (r0 := error_at z0) in *.
  assert (He : exists e, (e = 1 \/ e = -1) /\ 0 <= e * r0 /\ e * v j <= 0 \/ r0 = 0).
  { destruct (Rlt_dec 0 r0) as [H|H]; [exists 1; left; repeat split; [auto | lra | nra]|].
    destruct (Rlt_dec r0 0) as [H1|H1]; [exists (-1); left; repeat split; [auto | lra | nra]|].
    exists 1. right. lra. }
  destruct He as [e [[He [Hs Hv]]|H0]].
  - assert (K : forall s, 0 <= e * error_at (at_time s) /\ 0 < at_time s j).
    { induction s as [|s [IHr IHz]]; [split; assumption|]. simpl. split.
      - apply error_keeps_sign; auto. pose proof (squares_shrink s Hc). lra.
      - unfold descend, above. destruct (Rlt_dec 0 (at_time s j)); [|contradiction].
        set (now := error_at (at_time s)) in *.
        assert (v j * now <= 0) by (destruct He as [-> | ->]; nra).
        assert (c * (v j * now) <= 0) by nra. lra. }
    apply K.
  - (* a fitted network does not move *)
    assert (K : forall s, error_at (at_time s) = 0 /\ at_time s j = z0 j).
    { induction s as [|s [IHr IHz]]; [split; [exact H0 | reflexivity]|].
      assert (D : forall i, descend (at_time s) i = at_time s i)
        by (intros i; unfold descend; rewrite IHr; ring).
      simpl. split; [|rewrite D; exact IHz]. unfold error_at in *.
      rewrite (sum_ext M _ (fun i => v i * relu (at_time s i))) by (intros; rewrite D; reflexivity).
      exact IHr. }
    rewrite (proj2 (K t)). exact Hz.
Qed.
End Survival.
