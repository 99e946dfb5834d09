(* What learning does to a unit or a layer, for every number of weights, neurons, bins or steps. *)
From Proofs Require Import Sums.

(* Moments before their correction, the corrected ones, and a step: ref.optim.adam; from step 0 *)
Fixpoint moment (beta : R) (g : nat -> R) (t : nat) : R :=
  match t with O => (1 - beta) * g O | S s => beta * moment beta g s + (1 - beta) * g (S s) end.
Definition first (b1 : R) (g : nat -> R) (t : nat) : R := moment b1 g t / (1 - b1 ^ S t).
Definition root (b2 : R) (g : nat -> R) (t : nat) : R :=
  sqrt (moment b2 (fun s => g s * g s) t / (1 - b2 ^ S t)).
Definition step (a b1 b2 eps : R) (g : nat -> R) (t : nat) : R :=
  a * (first b1 g t / (root b2 g t + eps)).

(* dominance.adam-scale-free, for every t: without eps a factor of all gradients drops out *)
Lemma moment_scale beta c g t : moment beta (fun s => c * g s) t = c * moment beta g t.
Proof. induction t as [|t IH]; simpl; [ring | rewrite IH; ring]. Qed.

Lemma moment_ext beta g h t : (forall s, g s = h s) -> moment beta g t = moment beta h t.
Proof. intros H. induction t as [|t IH]; simpl; [rewrite H | rewrite IH, H]; reflexivity. Qed.

Lemma moment_nonneg beta g t : 0 <= beta -> beta <= 1 -> (forall s, 0 <= g s) ->
  0 <= moment beta g t.
Proof.
  intros H0 H1 H. induction t as [|t IH]; simpl.
  - apply Rmult_le_pos; [lra | apply H].
  - apply Rplus_le_le_0_compat; apply Rmult_le_pos; (lra || apply H).
Qed.

Theorem adam_scale_free a b1 b2 c g t : 0 <= b2 -> b2 < 1 -> 0 < c -> root b2 g t <> 0 ->
  step a b1 b2 0 (fun s => c * g s) t = step a b1 b2 0 g t.
Proof.
  intros H0 H1 Hc Hr. unfold step, first. rewrite moment_scale.
  assert (E : root b2 (fun s => c * g s) t = c * root b2 g t).
  { unfold root.
    rewrite (moment_ext b2 (fun s => c * g s * (c * g s)) (fun s => (c * c) * (g s * g s)))
      by (intros; ring). rewrite moment_scale.
    assert (Hb : 0 < 1 - b2 ^ S t).
    { assert (b2 ^ S t < 1); [|lra]. simpl. pose proof (pow_incr b2 1 t ltac:(lra)) as P.
      rewrite pow1 in P. pose proof (pow_le b2 t H0). nra. }
    assert (Hv : 0 <= moment b2 (fun s => g s * g s) t / (1 - b2 ^ S t)).
    { unfold Rdiv. apply Rmult_le_pos; [|apply Rlt_le, Rinv_0_lt_compat, Hb].
      apply moment_nonneg; [lra | lra | intros; apply Rle_0_sqr]. }
    replace (c * c * moment b2 (fun s => g s * g s) t / (1 - b2 ^ S t))
      with ((c * c) * (moment b2 (fun s => g s * g s) t / (1 - b2 ^ S t)))
      by (unfold Rdiv; ring).
    rewrite sqrt_mult by nra. rewrite sqrt_square by lra. reflexivity. }
  rewrite E, !Rplus_0_r. unfold Rdiv. set (K := / (1 - b1 ^ S t)).
  set (r := root b2 g t) in *. field. split; [exact Hr | lra].
Qed.

Lemma relu_nonneg x : 0 <= relu x /\ x <= relu x.
Proof. unfold relu. destruct (Rlt_dec 0 x); lra. Qed.

Lemma abs_bounds x y : Rabs x <= y -> - y <= x <= y.
Proof.
  intros H. pose proof (Rle_abs x). pose proof (Rle_abs (- x)). rewrite Rabs_Ropp in *. lra.
Qed.

(* dominance.common-fall, for every N = n + 1: neuron 0 is the largest *)
Definition common_fall_given (n : nat) (z f : nat -> R) : Prop :=
  all (S n) (fun j => f j = f O) /\ 0 <= f O /\ 0 < z O - f O /\
  all (S n) (fun j => 0 < z j /\ z j <= z O).
Definition common_fall_then (n : nat) (z f : nat -> R) : Prop :=
  z O * sum (S n) (fun j => relu (z j - f j)) <= relu (z O - f O) * sum (S n) z /\
  relu (z O - f O) <= z O /\ 0 < sum (S n) (fun j => relu (z j - f j)).

Theorem common_fall n z f : common_fall_given n z f -> common_fall_then n z f.
Proof.
  intros [Hf [Hc [Hl Hz]]]. rewrite all_spec in Hf, Hz.
  assert (R0 : relu (z O - f O) = z O - f O).
  { unfold relu. destruct (Rlt_dec 0 (z O - f O)); lra. }
  repeat split.
  - rewrite <- !sum_scale. apply sum_le. intros j Hj. rewrite R0, (Hf j Hj). specialize (Hz j Hj).
    unfold relu. destruct (Rlt_dec 0 (z j - f O)); nra.
  - lra.
  - apply Rlt_le_trans with (relu (z O - f O)); [lra|].
    apply (sum_member (S n) (fun j => relu (z j - f j)) O); [intros; apply relu_nonneg | lia].
Qed.

(* dominance.epsilon-spares, for every N = n + 1 *)
Definition epsilon_spares_given (n : nat) (z m : nat -> R) (B : R) : Prop :=
  all (S n) (fun j => Rabs (m j) <= B) /\ z O + B <= sum n (fun j => z (S j)) - INR n * B.
Definition epsilon_spares_then (n : nat) (z m : nat -> R) (B : R) : Prop :=
  relu (z O + m O) <= sum n (fun j => relu (z (S j) + m (S j))).

Theorem epsilon_spares n z m B : epsilon_spares_given n z m B -> epsilon_spares_then n z m B.
Proof.
  unfold epsilon_spares_given, epsilon_spares_then. intros [H K]. rewrite all_spec in H.
  assert (P : sum n (fun j => z (S j) - B) <= sum n (fun j => relu (z (S j) + m (S j)))).
  { apply sum_le. intros j Hj. specialize (H (S j) ltac:(lia)). apply abs_bounds in H.
    pose proof (relu_nonneg (z (S j) + m (S j))). lra. }
  rewrite sum_minus, sum_const in P.
  assert (Q : 0 <= sum n (fun j => relu (z (S j) + m (S j)))).
  { apply sum_nonneg. intros. apply relu_nonneg. }
  specialize (H O ltac:(lia)). apply abs_bounds in H. unfold relu at 1.
  destruct (Rlt_dec 0 (z O + m O)); lra.
Qed.

(* collapse.kill-cap, for every number G of bins: lo and hi bound the weights *)
Definition gap (G : nat) (p q : nat -> R) : R := sum G (fun i => Rabs (p i - q i)) / 2.
Definition pull (G : nat) (w p q : nat -> R) : R := sum G (fun i => w i * (p i - q i)).
Definition kill_cap_given (G : nat) (w p q : nat -> R) (lo hi rate z : R) : Prop :=
  sum G p = sum G q /\ 0 <= rate /\ all G (fun i => lo <= w i /\ w i <= hi).
Definition kill_cap_then (G : nat) (w p q : nat -> R) (lo hi rate z : R) : Prop :=
  Rabs (pull G w p q) <= (hi - lo) * gap G p q /\
  (rate * (hi - lo) * gap G p q < z -> 0 < z + rate * pull G w p q).

Theorem kill_cap G w p q lo hi rate z :
  kill_cap_given G w p q lo hi rate z -> kill_cap_then G w p q lo hi rate z.
Proof.
  intros [Hm [Hr Hw]]. rewrite all_spec in Hw.
  assert (K : Rabs (pull G w p q) <= (hi - lo) * gap G p q).
  { unfold pull, gap. set (c := (lo + hi) / 2).
    assert (E : sum G (fun i => w i * (p i - q i)) = sum G (fun i => (w i - c) * (p i - q i))).
    { assert (Z : sum G (fun i => c * (p i - q i)) = 0).
      { rewrite sum_scale, sum_minus, Hm. ring. }
      rewrite (sum_ext G (fun i => (w i - c) * (p i - q i))
        (fun i => w i * (p i - q i) - c * (p i - q i))) by (intros; ring).
      rewrite sum_minus, Z. ring. }
    rewrite E. eapply Rle_trans; [apply abs_sum|].
    replace ((hi - lo) * (sum G (fun i => Rabs (p i - q i)) / 2))
      with ((hi - lo) / 2 * sum G (fun i => Rabs (p i - q i))) by field.
    rewrite <- sum_scale. apply sum_le. intros i Hi. rewrite Rabs_mult.
    apply Rmult_le_compat_r; [apply Rabs_pos|]. specialize (Hw i Hi).
    apply Rabs_le. unfold c. lra. }
  split; [exact K|]. intros H. apply abs_bounds in K.
  assert (rate * (- ((hi - lo) * gap G p q)) <= rate * pull G w p q)
    by (apply Rmult_le_compat_l; lra). lra.
Qed.

(* recycling.relu-balance, for every N inputs and T samples: half the change of both sides *)
Definition inner (N : nat) (w : nat -> R) (b : R) (x : nat -> nat -> R) (t : nat) : R :=
  sum N (fun i => w i * x t i) + b.
Definition relu_balance_given (N T : nat) (w : nat -> R) (b v : R) (x : nat -> nat -> R)
  (e : nat -> R) (below above_ : R) : Prop := below = above_.
Definition move_w (N T : nat) w b v x e rate (i : nat) : R :=
  - rate * sum T (fun t => e t * v * above (inner N w b x t) 0 * x t i).
Definition move_b (N T : nat) w b v (x : nat -> nat -> R) (e : nat -> R) rate : R :=
  - rate * sum T (fun t => e t * v * above (inner N w b x t) 0).
Definition move_v (N T : nat) w b (x : nat -> nat -> R) (e : nat -> R) rate : R :=
  - rate * sum T (fun t => e t * relu (inner N w b x t)).
Definition relu_balance_then (N T : nat) (w : nat -> R) (b v : R) (x : nat -> nat -> R)
  (e : nat -> R) (below above_ : R) : Prop :=
  sum N (fun i => w i * move_w N T w b v x e below i) + b * move_b N T w b v x e below
  = v * move_v N T w b x e above_.

Theorem relu_balance N T w b v x e below above_ :
  relu_balance_given N T w b v x e below above_ -> relu_balance_then N T w b v x e below above_.
Proof.
  unfold relu_balance_given, relu_balance_then. intros <-. unfold move_w, move_b, move_v.
  set (g := fun t => e t * v * above (inner N w b x t) 0).
  assert (E : sum N (fun i => w i * (- below * sum T (fun t => g t * x t i)))
    = - below * sum T (fun t => g t * sum N (fun i => w i * x t i))).
  { rewrite (sum_ext N _ (fun i => - below * sum T (fun t => w i * (g t * x t i))))
      by (intros; rewrite sum_scale; ring).
    rewrite sum_scale, sum_swap. f_equal. apply sum_ext. intros t _. rewrite <- sum_scale.
    apply sum_ext. intros. ring. }
  unfold g in E at 1. cbv beta in E. rewrite E.
  replace (b * (- below * sum T g)) with (- below * sum T (fun t => g t * b))
    by (rewrite sum_scale_r; ring).
  rewrite <- Rmult_plus_distr_l, <- sum_plus.
  replace (v * (- below * sum T (fun t => e t * relu (inner N w b x t))))
    with (- below * sum T (fun t => v * (e t * relu (inner N w b x t))))
    by (rewrite sum_scale; ring).
  f_equal. apply sum_ext. intros t _. unfold g.
  replace (e t * v * above (inner N w b x t) 0 * sum N (fun i => w i * x t i)
    + e t * v * above (inner N w b x t) 0 * b)
    with (e t * v * (above (inner N w b x t) 0 * inner N w b x t))
    by (unfold inner at 2; ring).
  unfold above, relu. destruct (Rlt_dec 0 (inner N w b x t)); ring.
Qed.

(* dominance.adam-kill and adam-first-step, for every number N of weights: the step g/(|g| + eps) *)
Definition adam_move (eps g : R) : R := g / (Rabs g + eps).
Definition after (N : nat) (x : nat -> R) (z p alpha eps : R) : R :=
  z - alpha * sum N (fun i => x i * adam_move eps (p * x i * above z 0)).
Definition adam_kill_given (N : nat) (x : nat -> R) (z p alpha eps : R) : Prop :=
  all N (fun i => 0 <= x i) /\ 0 < alpha /\ 0 < z /\ (p < 0 \/ 0 < p) /\ eps = 0.
Definition adam_kill_then (N : nat) (x : nat -> R) (z p alpha eps : R) : Prop :=
  (0 < p -> after N x z p alpha eps = z - alpha * sum N x) /\
  (p < 0 -> after N x z p alpha eps = z + alpha * sum N x) /\
  (after N x z p alpha eps <= 0 <-> 0 < p /\ z <= alpha * sum N x).

Lemma move_sign x p c : 0 <= x -> c = 1 -> (p < 0 \/ 0 < p) ->
  x * adam_move 0 (p * x * c) = sgn p * x.
Proof.
  intros Hx -> Hp. unfold adam_move, Rdiv. rewrite Rmult_1_r, Rplus_0_r.
  destruct (Req_dec x 0) as [->|N]; [ring|]. unfold sgn, above.
  destruct Hp as [Hp|Hp].
  - rewrite (Rabs_left (p * x)) by nra. destruct (Rlt_dec 0 p), (Rlt_dec p 0); try lra.
    field. split; lra.
  - rewrite (Rabs_right (p * x)) by nra. destruct (Rlt_dec 0 p), (Rlt_dec p 0); try lra.
    field. split; lra.
Qed.

Theorem adam_kill N x z p alpha eps :
  adam_kill_given N x z p alpha eps -> adam_kill_then N x z p alpha eps.
Proof.
  intros [Hx [Ha [Hz [Hp ->]]]]. rewrite all_spec in Hx.
  assert (E : after N x z p alpha 0 = z - alpha * (sgn p * sum N x)).
  { unfold after. f_equal. f_equal. rewrite <- sum_scale. apply sum_ext. intros i Hi.
    apply move_sign; [apply Hx, Hi | | exact Hp]. unfold above.
    destruct (Rlt_dec 0 z); lra. }
  assert (S : 0 <= sum N x) by (apply sum_nonneg; exact Hx).
  unfold adam_kill_then. rewrite E. unfold sgn, above.
  assert (0 <= alpha * sum N x) by nra.
  destruct (Rlt_dec 0 p), (Rlt_dec p 0); try lra; repeat split; intros; lra.
Qed.

Definition adam_first_step_given (N : nat) (x : nat -> R) (z p alpha eps : R) : Prop :=
  all N (fun i => 0 <= x i) /\ 0 < alpha /\ 0 <= eps.
Definition adam_first_step_then (N : nat) (x : nat -> R) (z p alpha eps : R) : Prop :=
  (- (alpha * sum N x) <= after N x z p alpha eps - z /\
   after N x z p alpha eps - z <= alpha * sum N x) /\
  (0 < eps ->
   - (alpha * Rabs p * sum N (fun i => x i * x i)) <= eps * (after N x z p alpha eps - z) /\
   eps * (after N x z p alpha eps - z) <= alpha * Rabs p * sum N (fun i => x i * x i)).

Lemma first_step_size N x z p alpha eps : adam_first_step_given N x z p alpha eps ->
  Rabs (after N x z p alpha eps - z) <= alpha * sum N x /\
  (0 < eps ->
   Rabs (after N x z p alpha eps - z) <= alpha * Rabs p * sum N (fun i => x i * x i) / eps).
Proof.
  intros [Hx [Ha He]]. rewrite all_spec in Hx.
  assert (E : Rabs (after N x z p alpha eps - z)
    <= alpha * sum N (fun i => x i * Rabs (adam_move eps (p * x i * above z 0)))).
  { unfold after. set (s := sum N (fun i => x i * adam_move eps (p * x i * above z 0))).
    replace (z - alpha * s - z) with (- (alpha * s)) by ring.
    rewrite Rabs_Ropp, Rabs_mult, (Rabs_right alpha) by lra.
    apply Rmult_le_compat_l; [lra|]. unfold s. eapply Rle_trans; [apply abs_sum|].
    apply sum_le. intros i Hi. rewrite Rabs_mult, (Rabs_right (x i)) by (apply Rle_ge, Hx, Hi).
    lra. }
  assert (Hc : forall i, (i < N)%nat -> Rabs (p * x i * above z 0) <= Rabs p * x i).
  { intros i Hi. specialize (Hx i Hi). rewrite !Rabs_mult, (Rabs_right (x i)) by lra.
    assert (Rabs (above z 0) <= 1).
    { unfold above. destruct (Rlt_dec 0 z); [rewrite Rabs_R1 | rewrite Rabs_R0]; lra. }
    pose proof (Rmult_le_pos _ _ (Rabs_pos p) Hx). nra. }
  split; [|intros Hp]; eapply Rle_trans; try exact E.
  - apply Rmult_le_compat_l; [lra|]. apply sum_le. intros i Hi. specialize (Hx i Hi).
    set (g := p * x i * above z 0). rewrite <- (Rmult_1_r (x i)) at 2.
    apply Rmult_le_compat_l; [exact Hx|]. unfold adam_move, Rdiv. rewrite Rabs_mult.
    pose proof (Rabs_pos g) as G. destruct (Req_dec (Rabs g + eps) 0) as [Z|Z].
    + assert (Rabs g = 0) by lra. rewrite H. lra.
    + rewrite Rabs_inv, (Rabs_right (Rabs g + eps)) by lra.
      apply (Rmult_le_reg_r (Rabs g + eps)); [lra|].
      rewrite Rmult_assoc, Rinv_l by exact Z. lra.
  - unfold Rdiv. rewrite !Rmult_assoc. apply Rmult_le_compat_l; [lra|].
    rewrite <- Rmult_assoc, <- sum_scale, <- sum_scale_r. apply sum_le. intros i Hi.
    specialize (Hc i Hi). specialize (Hx i Hi). set (g := p * x i * above z 0) in *.
    unfold adam_move, Rdiv. rewrite Rabs_mult. pose proof (Rabs_pos g) as G.
    rewrite Rabs_inv, (Rabs_right (Rabs g + eps)) by lra.
    assert (I : / (Rabs g + eps) <= / eps) by (apply Rinv_le_contravar; lra).
    assert (0 < / eps) by (apply Rinv_0_lt_compat; exact Hp).
    assert (0 < / (Rabs g + eps)) by (apply Rinv_0_lt_compat; lra).
    assert (Rabs g * / (Rabs g + eps) <= Rabs p * x i * / eps).
    { apply Rmult_le_compat; lra. }
    replace (Rabs p * (x i * x i) * / eps) with (x i * (Rabs p * x i * / eps)) by ring.
    apply Rmult_le_compat_l; lra.
Qed.

Theorem adam_first_step N x z p alpha eps :
  adam_first_step_given N x z p alpha eps -> adam_first_step_then N x z p alpha eps.
Proof.
  intros H. destruct (first_step_size _ _ _ _ _ _ H) as [A B]. split.
  - apply abs_bounds in A. exact A.
  - intros He. specialize (B He). apply abs_bounds in B.
    set (d := after N x z p alpha eps - z) in *.
    set (m := alpha * Rabs p * sum N (fun i => x i * x i)) in *.
    assert (E : eps * (m / eps) = m) by (field; lra). split; nra.
Qed.
