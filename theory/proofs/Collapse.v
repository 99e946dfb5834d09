(* Temporal-difference learning without reward, for every number of states X, features N, heads M
   or bins G; and LayerNorm, for every width. *)
From Proofs Require Import Sums.

Definition delta (i j : nat) : R := if Nat.eqb i j then 1 else 0.

Lemma delta_sum n f i : (i < n)%nat -> sum n (fun j => delta i j * f j) = f i.
Proof.
  induction n as [|n IH]; simpl; intros Hi; [lia|]. unfold delta at 2.
  destruct (Nat.eqb_spec i n) as [->|E].
  - rewrite (sum_ext n _ (fun _ => 0)), sum_zero; [ring|]. intros j Hj. unfold delta.
    destruct (Nat.eqb_spec n j); [lia | ring].
  - rewrite IH by lia. ring.
Qed.

(* ------------------------------------------------------------------ regression *)
Record regression := Regression {
  r_states : nat; r_features : nat; r_heads : nat;
  r_P : nat -> nat -> R; r_gamma : R;
  r_Phi : nat -> nat -> R; (* states by features *)
  r_W : nat -> nat -> R; (* features by heads *)
  r_walk : nat -> R (* how much a discounted walk is in a state *)
}.

Section Regression.
Variable r : regression.
Local Notation X := (r_states r).
Local Notation N := (r_features r).
Local Notation M := (r_heads r).
Local Notation P := (r_P r).
Local Notation gamma := (r_gamma r).
Local Notation Phi := (r_Phi r).
Local Notation W := (r_W r).
Local Notation d := (r_walk r).

Definition A (x k : nat) : R := delta x k - gamma * P x k.
Definition value (k m : nat) : R := sum N (fun n => Phi k n * W n m).
Definition error (x m : nat) : R := sum X (fun k => A x k * value k m).
Definition move_Phi (E : nat -> nat -> R) (x n : nat) : R := - sum M (fun m => E x m * W n m).
Definition move_W (E : nat -> nat -> R) (n m : nat) : R := - sum X (fun x => Phi x n * E x m).
Definition rise_Phi (E : nat -> nat -> R) (i j : nat) : R :=
  sum X (fun x => move_Phi E x i * Phi x j + Phi x i * move_Phi E x j).
Definition rise_W (E : nat -> nat -> R) (i j : nat) : R :=
  sum M (fun m => move_W E i m * W j m + W i m * move_W E j m).

Lemma pulls_agree E i j : rise_Phi E i j = rise_W E i j.
Proof.
  unfold rise_Phi, rise_W, move_Phi, move_W. rewrite !sum_plus.
  assert (K : forall a b, sum X (fun x => - sum M (fun m => E x m * W a m) * Phi x b)
    = sum M (fun m => W a m * - sum X (fun x => Phi x b * E x m))).
  { intros a b.
    rewrite (sum_ext X _ (fun x => sum M (fun m => - (E x m * W a m * Phi x b)))).
    2: { intros x _. rewrite sum_opp, sum_scale_r. ring. }
    rewrite sum_swap. apply sum_ext. intros m _.
    rewrite sum_opp, <- Ropp_mult_distr_r, <- sum_scale. f_equal. apply sum_ext. intros. ring. }
  rewrite K. rewrite Rplus_comm. f_equal.
  - rewrite (sum_ext X _ (fun x => - sum M (fun m => E x m * W j m) * Phi x i)) by (intros; ring).
    rewrite K. apply sum_ext. intros. ring.
Qed.

(* collapse.conserved: of the flow, whose error is A Phi W; the lemma has any error *)
Definition conserved_given (_ : regression) : Prop := True.
Definition conserved_then : Prop :=
  all N (fun i => all N (fun j => rise_Phi error i j = rise_W error i j)).

Theorem conserved : conserved_given r -> conserved_then.
Proof.
  intros _. unfold conserved_then. rewrite all_spec. intros i _. rewrite all_spec. intros j _.
  apply pulls_agree.
Qed.

(* collapse.eq-5-transposed *)
Definition gram (i j : nat) : R := sum M (fun m => W i m * W j m).
Definition A_Phi (x n : nat) : R := sum X (fun k => A x k * Phi k n).
Definition eq_5_given : Prop := all N (fun i => all N (fun j => gram i j = delta i j)).
Definition eq_5_then : Prop :=
  all X (fun x => all N (fun n => - sum N (fun k => A_Phi x k * gram k n) = - A_Phi x n)).

Theorem eq_5 : eq_5_given -> eq_5_then.
Proof.
  unfold eq_5_given, eq_5_then. rewrite !all_spec. intros H x _. rewrite all_spec. intros n Hn.
  f_equal. rewrite (sum_ext N _ (fun k => delta n k * A_Phi x k)); [apply delta_sum; exact Hn|].
  intros k Hk. specialize (H k Hk). rewrite all_spec in H. rewrite H by exact Hn.
  unfold delta. rewrite Nat.eqb_sym. ring.
Qed.

(* collapse.never-grows *)
Definition stochastic : Prop :=
  all X (fun x => all X (fun k => 0 <= P x k)) /\ all X (fun x => sum X (P x) = 1).
Definition walk : Prop :=
  all X (fun k => d k = (1 - gamma) / INR X + gamma * sum X (fun x => d x * P x k)).
Definition never_grows_given : Prop :=
  stochastic /\ 0 <= gamma < 1 /\ all X (fun x => 0 <= d x) /\ walk.
Definition falls : R :=
  - sum X (fun x => sum N (fun n => d x * Phi x n * move_Phi error x n)).
Definition whole : R := sum X (fun x => sum M (fun m => d x * (value x m * value x m))).
Definition never_grows_then : Prop :=
  (whole - falls) * (whole - falls) <= gamma * (whole * whole).

Definition ahead (x m : nat) : R := sum X (fun k => P x k * value k m).

Lemma gap_is :
  whole - falls = sum M (fun m => sum X (fun x => d x * (gamma * value x m * ahead x m))).
Proof.
  assert (F : falls = sum X (fun x => sum M (fun m => d x * (value x m * error x m)))).
  { unfold falls. rewrite <- sum_opp. apply sum_ext. intros x _.
    rewrite <- sum_opp. unfold move_Phi.
    rewrite (sum_ext N _ (fun n => sum M (fun m => d x * (Phi x n * W n m * error x m)))).
    2: { intros n _. rewrite <- sum_opp at 1. rewrite <- sum_scale, <- sum_opp. apply sum_ext.
         intros. ring. }
    rewrite sum_swap. apply sum_ext. intros m _. unfold value. rewrite <- sum_scale_r, <- sum_scale.
    reflexivity. }
  rewrite F. unfold whole. rewrite <- sum_minus, sum_swap.
  rewrite <- sum_swap. apply eq_trans with
    (sum X (fun x => sum M (fun m => d x * (gamma * value x m * ahead x m)))); [|apply sum_swap].
  apply sum_ext. intros x Hx. rewrite <- sum_minus. apply sum_ext. intros m _.
  assert (E : error x m = value x m - gamma * ahead x m).
  { unfold error, A, ahead. rewrite <- sum_scale.
    rewrite (sum_ext X _ (fun k => delta x k * value k m - gamma * (P x k * value k m)))
      by (intros; ring).
    rewrite sum_minus, delta_sum by exact Hx. reflexivity. }
  rewrite E. ring.
Qed.

Theorem never_grows : never_grows_given -> never_grows_then.
Proof.
  intros [[HP H1] [Hg [Hd Hw]]]. unfold walk, stochastic in *. rewrite !all_spec in *.
  unfold never_grows_then. rewrite gap_is.
  set (S0 := fun m => sum X (fun x => d x * (value x m * value x m))).
  assert (HS : whole = sum M S0) by (unfold whole, S0; apply sum_swap).
  assert (S0p : forall m, 0 <= S0 m).
  { intros m. apply sum_nonneg. intros x Hx. apply Rmult_le_pos; [apply Hd, Hx | apply Rle_0_sqr]. }
  set (s := sqrt gamma). assert (Hs : s * s = gamma) by (apply sqrt_sqrt; lra).
  assert (sp : 0 <= s) by apply sqrt_pos.
  (* for each head: gamma sum d y (P y) is at most sqrt gamma sum d y² in size *)
  assert (Hm : forall m, Rabs (sum X (fun x => d x * (gamma * value x m * ahead x m))) <= s * S0 m).
  { intros m. set (y := fun x => value x m). set (Py := fun x => ahead x m).
    (* Jensen: (P y)² <= P y² *)
    assert (J : forall x, (x < X)%nat -> Py x * Py x <= sum X (fun k => P x k * (y k * y k))).
    { intros x Hx. pose proof (HP x Hx) as Hr. rewrite all_spec in Hr.
      pose proof (cauchy X (fun k => sqrt (P x k)) (fun k => sqrt (P x k) * y k)) as C.
      cbv beta in C.
      rewrite (sum_ext X (fun k => sqrt (P x k) * (sqrt (P x k) * y k))
        (fun k => P x k * y k)) in C.
      2: { intros k Hk. rewrite <- Rmult_assoc, sqrt_sqrt; auto. }
      rewrite (sum_ext X (fun k => sqrt (P x k) * sqrt (P x k)) (P x)) in C.
      2: { intros k Hk. apply sqrt_sqrt. auto. }
      rewrite (sum_ext X (fun k => sqrt (P x k) * y k * (sqrt (P x k) * y k))
        (fun k => P x k * (y k * y k))) in C.
      2: { intros k Hk. replace (sqrt (P x k) * y k * (sqrt (P x k) * y k))
             with (sqrt (P x k) * sqrt (P x k) * (y k * y k)) by ring. rewrite sqrt_sqrt; auto. }
      rewrite (H1 x Hx) in C. change (Py x) with (sum X (fun k => P x k * y k)). lra. }
    assert (T : gamma * sum X (fun x => d x * (Py x * Py x)) <= S0 m).
    { apply Rle_trans with
        (sum X (fun k => (gamma * sum X (fun x => d x * P x k)) * (y k * y k))).
      - rewrite (sum_ext X (fun k => gamma * sum X (fun x => d x * P x k) * (y k * y k))
          (fun k => gamma * sum X (fun x => d x * (P x k * (y k * y k))))).
        2: { intros k _. rewrite Rmult_assoc, <- sum_scale_r. f_equal. apply sum_ext.
             intros. ring. }
        rewrite sum_scale. apply Rmult_le_compat_l; [lra|]. rewrite sum_swap. apply sum_le.
        intros x Hx. rewrite sum_scale. apply Rmult_le_compat_l; [apply Hd, Hx | apply J, Hx].
      - unfold S0. apply sum_le. intros k Hk. apply Rmult_le_compat_r; [apply Rle_0_sqr|].
        rewrite (Hw k Hk) at 1. assert (0 <= (1 - gamma) / INR X); [|lra].
        apply Rmult_le_pos; [lra|]. apply Rlt_le, Rinv_0_lt_compat, lt_0_INR. lia. }
    pose proof (cauchy X (fun x => sqrt (d x) * y x) (fun x => sqrt (d x) * Py x)) as C.
    cbv beta in C.
    rewrite (sum_ext X (fun x => sqrt (d x) * y x * (sqrt (d x) * Py x))
      (fun x => d x * (y x * Py x))) in C.
    2: { intros x Hx. replace (sqrt (d x) * y x * (sqrt (d x) * Py x))
           with (sqrt (d x) * sqrt (d x) * (y x * Py x)) by ring. rewrite sqrt_sqrt; auto. }
    rewrite (sum_ext X (fun x => sqrt (d x) * y x * (sqrt (d x) * y x))
      (fun x => d x * (y x * y x))) in C.
    2: { intros x Hx. replace (sqrt (d x) * y x * (sqrt (d x) * y x))
           with (sqrt (d x) * sqrt (d x) * (y x * y x)) by ring. rewrite sqrt_sqrt; auto. }
    rewrite (sum_ext X (fun x => sqrt (d x) * Py x * (sqrt (d x) * Py x))
      (fun x => d x * (Py x * Py x))) in C.
    2: { intros x Hx. replace (sqrt (d x) * Py x * (sqrt (d x) * Py x))
           with (sqrt (d x) * sqrt (d x) * (Py x * Py x)) by ring. rewrite sqrt_sqrt; auto. }
    set (u := sum X (fun x => d x * (y x * Py x))) in *.
    change (sum X (fun x => d x * (y x * y x))) with (S0 m) in C.
    set (q := sum X (fun x => d x * (Py x * Py x))) in *.
    rewrite (sum_ext X _ (fun x => gamma * (d x * (y x * Py x)))) by (intros; unfold y, Py; ring).
    rewrite sum_scale. fold u. pose proof (S0p m).
    rewrite <- (Rabs_right (s * S0 m)) by (apply Rle_ge, Rmult_le_pos; assumption).
    apply Rsqr_le_abs_0. unfold Rsqr.
    replace (s * S0 m * (s * S0 m)) with (gamma * (S0 m * S0 m)) by (rewrite <- Hs; ring).
    apply Rle_trans with (gamma * (S0 m * (gamma * q))).
    - replace (gamma * u * (gamma * u)) with (gamma * gamma * (u * u)) by ring.
      replace (gamma * (S0 m * (gamma * q))) with (gamma * gamma * (S0 m * q)) by ring.
      apply Rmult_le_compat_l; [apply Rmult_le_pos; lra | exact C].
    - apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_l; lra. }
  set (gap := sum M _). assert (Hgap : Rabs gap <= s * whole).
  { rewrite HS. unfold gap. eapply Rle_trans; [apply abs_sum|]. rewrite <- sum_scale. apply sum_le.
    intros m _. apply Hm. }
  replace (gamma * (whole * whole)) with (s * whole * (s * whole)) by (rewrite <- Hs; ring).
  change (Rsqr gap <= Rsqr (s * whole)). rewrite (Rsqr_abs gap). apply Rsqr_incr_1; auto.
  - apply Rabs_pos.
  - rewrite HS. apply Rmult_le_pos; [exact sp | apply sum_nonneg; auto].
Qed.
End Regression.

(* -------------------------------------------------------------- classification *)
Record classifier := Classifier {
  c_states : nat; c_features : nat; c_bins : nat;
  c_P : nat -> nat -> R; c_gamma : R;
  c_Psi : nat -> nat -> R; (* features by states *)
  c_W : nat -> nat -> R; (* features by bins *)
  c_phat : nat -> nat -> R; (* predictions, states by bins *)
  c_p : nat -> nat -> R; (* targets, states by bins *)
  c_slope : nat -> R (* of a loss in the prediction, by bins *)
}.

Section Classification.
Variable k : classifier.
Local Notation X := (c_states k).
Local Notation N := (c_features k).
Local Notation G := (c_bins k).
Local Notation P := (c_P k).
Local Notation gamma := (c_gamma k).
Local Notation Psi := (c_Psi k).
Local Notation W := (c_W k).
Local Notation phat := (c_phat k).
Local Notation p := (c_p k).
Local Notation c := (c_slope k).

(* eqs. (18) and (19): bin by bin *)
Definition step_W (n g : nat) : R :=
  sum X (fun x => sum G (fun i => p x i * (Psi n x * (delta g i - phat x g)))).
Definition step_Psi (n x : nat) : R :=
  sum G (fun i => p x i * (W n i - sum G (fun g => W n g * phat x g))).

(* their error, for a p of any sum *)
Definition off (x g : nat) : R := p x g - sum G (p x) * phat x g.

Lemma step_W_is n g : (g < G)%nat -> step_W n g = sum X (fun x => Psi n x * off x g).
Proof.
  intros Hg. apply sum_ext. intros x _. unfold off.
  rewrite (sum_ext G _ (fun i => Psi n x * (delta g i * p x i) - Psi n x * phat x g * p x i))
    by (intros; ring).
  rewrite sum_minus, !sum_scale, delta_sum by exact Hg. ring.
Qed.

Lemma step_Psi_is n x : step_Psi n x = sum G (fun g => W n g * off x g).
Proof.
  unfold step_Psi, off. set (s := sum G (fun g => W n g * phat x g)).
  rewrite (sum_ext G _ (fun i => W n i * p x i - s * p x i)) by (intros; ring).
  rewrite sum_minus, sum_scale.
  rewrite (sum_ext G (fun g => W n g * (p x g - sum G (p x) * phat x g))
    (fun g => W n g * p x g - sum G (p x) * (W n g * phat x g))) by (intros; ring).
  rewrite sum_minus, sum_scale. fold s. ring.
Qed.

(* collapse.conserved-classification *)
Definition conserved_classification_given (_ : classifier) : Prop := True.
Definition conserved_classification_then : Prop :=
  all N (fun i => all N (fun j =>
    sum X (fun x => step_Psi i x * Psi j x + Psi i x * step_Psi j x)
    = sum G (fun g => step_W i g * W j g + W i g * step_W j g))).

Theorem conserved_classification :
  conserved_classification_given k -> conserved_classification_then.
Proof.
  intros _. unfold conserved_classification_then. rewrite all_spec. intros i _. rewrite all_spec.
  intros j _. rewrite !sum_plus.
  assert (K : forall a b, sum X (fun x => step_Psi a x * Psi b x)
    = sum G (fun g => W a g * step_W b g)).
  { intros a b.
    rewrite (sum_ext X _ (fun x => sum G (fun g => W a g * (Psi b x * off x g)))).
    2: { intros x _. rewrite step_Psi_is, <- sum_scale_r. apply sum_ext. intros. ring. }
    rewrite sum_swap. apply sum_ext. intros g Hg. rewrite step_W_is, sum_scale by exact Hg.
    reflexivity. }
  rewrite K, (sum_ext X _ (fun x => step_Psi j x * Psi i x)) by (intros; ring).
  rewrite K, Rplus_comm. f_equal. apply sum_ext. intros. ring.
Qed.

(* collapse.line-22 *)
Definition line_22_given : Prop := all X (fun x => sum G (p x) = 1).
Definition flows (E : nat -> nat -> R) : Prop :=
  all N (fun n => all G (fun g => step_W n g = sum X (fun x => Psi n x * E x g)))
  /\ all N (fun n => all X (fun x => step_Psi n x = sum G (fun g => W n g * E x g))).
Definition line_22_then : Prop := flows (fun x g => p x g - phat x g).

Lemma flows_off E : (forall x g, (x < X)%nat -> (g < G)%nat -> off x g = E x g) -> flows E.
Proof.
  intros H. split; rewrite all_spec; intros n _; rewrite all_spec.
  - intros g Hg. rewrite step_W_is by exact Hg. apply sum_ext. intros x Hx. rewrite H; auto.
  - intros x Hx. rewrite step_Psi_is. apply sum_ext. intros g Hg. rewrite H; auto.
Qed.

Theorem line_22 : line_22_given -> line_22_then.
Proof.
  unfold line_22_given. rewrite all_spec. intros H. apply flows_off. intros x g Hx _. unfold off.
  rewrite H by exact Hx. ring.
Qed.

(* collapse.theorem-3-derived *)
Definition backup (x g : nat) : R := sum X (fun y => P x y * phat y g).
Definition derived_given : Prop :=
  all X (fun x => sum X (P x) = 1) /\ all X (fun x => sum G (phat x) = 1)
  /\ all X (fun x => all G (fun g => p x g = gamma * backup x g)).
Definition derived_then : Prop := flows (fun x g => gamma * (backup x g - phat x g)).

Theorem derived : derived_given -> derived_then.
Proof.
  intros [HP [Hq Hp]]. rewrite !all_spec in *. apply flows_off. intros x g Hx Hg. unfold off.
  assert (T : sum G (p x) = gamma).
  { specialize (Hp x Hx). rewrite all_spec in Hp.
    rewrite (sum_ext G _ (fun g => gamma * backup x g)), sum_scale by exact Hp.
    unfold backup. rewrite sum_swap, (sum_ext X _ (P x)).
    - rewrite HP by exact Hx. ring.
    - intros y Hy. rewrite sum_scale, Hq by exact Hy. ring. }
  rewrite T. specialize (Hp x Hx). rewrite all_spec in Hp. rewrite Hp by exact Hg. ring.
Qed.

(* collapse.no-softmax-loss *)
Definition no_loss_given : Prop :=
  all X (fun x => sum X (P x) = 1) /\ all X (fun x => sum G (phat x) = 1).
Definition logit_slope (x i : nat) : R := phat x i * (c i - sum G (fun g => phat x g * c g)).
Definition no_loss_then : Prop :=
  all X (fun x => sum G (logit_slope x) = 0)
  /\ all X (fun x => sum G (fun g => gamma * backup x g - phat x g) = gamma - 1).

Theorem no_loss : no_loss_given -> no_loss_then.
Proof.
  intros [HP Hq]. rewrite !all_spec in *. split; rewrite all_spec; intros x Hx.
  - unfold logit_slope. set (m := sum G (fun g => phat x g * c g)).
    rewrite (sum_ext G _ (fun i => phat x i * c i - m * phat x i)) by (intros; ring).
    rewrite sum_minus, sum_scale, Hq by exact Hx. fold m. ring.
  - rewrite sum_minus, sum_scale, Hq by exact Hx. unfold backup.
    rewrite sum_swap, (sum_ext X _ (P x)), HP by
      (try exact Hx; intros y Hy; rewrite sum_scale, Hq by exact Hy; ring). ring.
Qed.
End Classification.

(* ------------------------------------------------------------------- LayerNorm *)
Definition dev (N : nat) (z : nat -> R) (i : nat) : R := z i - mean N z.
Definition var (N : nat) (z : nat -> R) : R := mean N (fun i => dev N z i * dev N z i).
(* LN(z)_i + shift > 0, without a root: x |x| rises with x *)
Definition open (N : nat) (z : nat -> R) (shift : R) (i : nat) : R :=
  above (dev N z i * Rabs (dev N z i)) (- shift * Rabs shift * var N z).

Lemma dev_sum N z : sum N (dev N z) = 0.
Proof.
  destruct N as [|N]; [reflexivity|]. unfold dev.
  rewrite sum_minus, sum_const, mean_mult by lia. ring.
Qed.

Lemma var_sum N z : INR N * var N z = sum N (fun i => dev N z i * dev N z i).
Proof. destruct N as [|N]; [simpl; lra | unfold var; rewrite mean_mult by lia; reflexivity]. Qed.

(* of numbers that sum to 0: N d_i² <= (N - 1) times the sum of the squares *)
Lemma largest_of N f i : sum N f = 0 -> (i < N)%nat ->
  INR N * (f i * f i) <= (INR N - 1) * sum N (fun j => f j * f j).
Proof.
  intros H0 Hi. assert (HN : 1 <= INR N) by (apply (le_INR 1); lia).
  (* (sum of all but one)² <= (N - 1) (sum of the squares of all but one) *)
  set (g := fun j => if Nat.eqb i j then 0 else f j).
  set (e := fun j => 1 - delta i j).
  pose proof (cauchy N e g) as C.
  assert (Sg : sum N (fun j => e j * g j) = - f i).
  { rewrite (sum_ext N _ (fun j => f j - delta i j * f j)).
    - rewrite sum_minus, delta_sum by exact Hi. lra.
    - intros j _. unfold e, g, delta. destruct (Nat.eqb i j); ring. }
  assert (Se : sum N (fun j => e j * e j) = INR N - 1).
  { rewrite (sum_ext N _ (fun j => 1 - delta i j * 1)).
    - rewrite sum_minus, (delta_sum N (fun _ => 1) i Hi), sum_const. ring.
    - intros j _. unfold e, delta. destruct (Nat.eqb i j); ring. }
  assert (Sq : sum N (fun j => g j * g j) = sum N (fun j => f j * f j) - f i * f i).
  { rewrite (sum_ext N _ (fun j => f j * f j - delta i j * (f j * f j))).
    - rewrite sum_minus, (delta_sum N (fun j => f j * f j) i Hi). reflexivity.
    - intros j _. unfold g, delta. destruct (Nat.eqb i j); ring. }
  rewrite Sg, Se, Sq in C. lra.
Qed.

(* collapse.layer-norm-largest *)
Definition largest_given (N : nat) (z : nat -> R) : Prop := True.
Definition largest_then (N : nat) z : Prop :=
  all N (fun i => dev N z i * dev N z i <= (INR N - 1) * var N z).

Theorem largest N z : largest_given N z -> largest_then N z.
Proof.
  intros _. unfold largest_then. rewrite all_spec. intros i Hi.
  pose proof (largest_of N (dev N z) i (dev_sum N z) Hi) as H. rewrite <- var_sum in H.
  apply (Rmult_le_reg_l (INR N)); [apply lt_0_INR; lia | lra].
Qed.

(* collapse.layer-norm-norm *)
Definition norm_given (N : nat) (z : nat -> R) : Prop := True.
Definition norm_then (N : nat) z : Prop :=
  sum N (fun i => relu (dev N z i) * relu (dev N z i)) <= (INR N - 1) * var N z.

Theorem norm N z : norm_given N z -> norm_then N z.
Proof.
  intros _. unfold norm_then. destruct N as [|N]; [unfold var; rewrite mean_none; simpl; lra|].
  set (d := dev (S N) z). pose proof (dev_sum (S N) z) as D0. fold d in D0.
  set (up := fun i => relu (d i)). set (dn := fun i => relu (- d i)).
  assert (Hd : forall i, d i = up i - dn i).
  { intros i. unfold up, dn, relu. destruct (Rlt_dec 0 (d i)), (Rlt_dec 0 (- d i)); lra. }
  assert (Hq : forall i, d i * d i = up i * up i + dn i * dn i).
  { intros i. unfold up, dn, relu. destruct (Rlt_dec 0 (d i)), (Rlt_dec 0 (- d i)); nra. }
  assert (Hu : forall i, 0 <= up i) by (intros; unfold up, relu; destruct (Rlt_dec 0 (d i)); lra).
  set (P := sum (S N) (fun i => up i * up i)). set (Q := sum (S N) (fun i => dn i * dn i)).
  assert (V : INR (S N) * var (S N) z = P + Q).
  { rewrite var_sum. fold d. unfold P, Q. rewrite <- sum_plus. apply sum_ext. intros. apply Hq. }
  assert (S1 : sum (S N) up = sum (S N) dn).
  { assert (sum (S N) up - sum (S N) dn = 0); [|lra]. rewrite <- sum_minus, <- D0. apply sum_ext.
    intros. symmetry. apply Hd. }
  assert (Qp : 0 <= Q) by (apply sum_nonneg; intros; apply Rle_0_sqr).
  assert (Pq : P <= INR N * Q).
  { pose proof (sum_of_squares (S N) up ltac:(intros; apply Hu)) as B. fold P in B. rewrite S1 in B.
    (* some d_i >= 0, so at most N of the dn count *)
    assert (F : exists i, (i < S N)%nat /\ dn i = 0).
    { destruct (search (S N) (fun i => 0 <= d i)) as [H|H]; [intros; apply Rle_dec| |].
      - apply some_spec in H. destruct H as [i [Hi H]]. exists i. split; [exact Hi|].
        unfold dn, relu. destruct (Rlt_dec 0 (- d i)); lra.
      - exfalso. assert (sum (S N) d < sum (S N) (fun _ => 0)); [|rewrite sum_zero in *; lra].
        apply sum_lt; [lia|]. intros i Hi. apply Rnot_le_lt, H, Hi. }
    destruct F as [i [Hi Z]].
    pose proof (cauchy (S N) (fun j => 1 - delta i j) dn) as C. cbv beta in C.
    rewrite (sum_ext _ (fun j => (1 - delta i j) * dn j) dn) in C.
    2: { intros j _. unfold delta. destruct (Nat.eqb_spec i j) as [<-|]; [rewrite Z|]; ring. }
    rewrite (sum_ext _ (fun j => (1 - delta i j) * (1 - delta i j))
      (fun j => 1 - delta i j * 1)) in C
      by (intros j _; unfold delta; destruct (Nat.eqb i j); ring).
    rewrite sum_minus, (delta_sum _ (fun _ => 1) i Hi), sum_const, S_INR in C. fold Q in C. lra. }
  change (P <= (INR (S N) - 1) * var (S N) z). pose proof (pos_INR N). rewrite S_INR in *.
  apply (Rmult_le_reg_l (INR N + 1)); [lra|].
  replace ((INR N + 1) * ((INR N + 1 - 1) * var (S N) z)) with (INR N * ((INR N + 1) * var (S N) z))
    by ring. rewrite V. lra.
Qed.

(* collapse.layer-norm-revives *)
Definition revives_given (N : nat) z (shift : R) : Prop := 0 < var N z /\ shift = 0.
Definition revives_then (N : nat) z shift : Prop := 1 <= sum N (open N z shift) <= INR N - 1.

Lemma open_no_shift N z i : open N z 0 i = above (dev N z i) 0.
Proof.
  unfold open, above. set (d := dev N z i). rewrite Ropp_0, !Rmult_0_l.
  pose proof (Rabs_pos d). destruct (Rlt_dec 0 d) as [K|K].
  - rewrite Rabs_right by lra. destruct (Rlt_dec 0 (d * d)); [reflexivity | nra].
  - destruct (Rlt_dec 0 (d * Rabs d)); [nra | reflexivity].
Qed.

(* numbers that sum to 0 and are not all 0: one is above 0 *)
Lemma one_above N f : sum N f = 0 -> 0 < sum N (fun i => f i * f i) ->
  exists i, (i < N)%nat /\ 0 < f i.
Proof.
  intros H0 H2. destruct (search N (fun i => 0 < f i)) as [H|H]; [intros; apply Rlt_dec| |].
  - apply some_spec in H. exact H.
  - exfalso. assert (E : forall i, (i < N)%nat -> f i = 0).
    { intros i Hi. pose proof (sum_member N (fun j => - f j) i) as M. cbv beta in M.
      rewrite sum_opp, H0 in M. assert (K : forall j, (j < N)%nat -> 0 <= - f j).
      { intros j Hj. specialize (H j Hj). lra. }
      specialize (M K Hi). specialize (K i Hi). lra. }
    rewrite (sum_ext N _ (fun _ => 0)), sum_zero in H2; [lra|].
    intros i Hi. rewrite E by exact Hi. ring.
Qed.

Theorem revives N z shift : revives_given N z shift -> revives_then N z shift.
Proof.
  intros [HV ->]. unfold revives_then. set (d := dev N z).
  rewrite (sum_ext N _ (fun i => above (d i) 0)) by (intros; apply open_no_shift).
  assert (HN : (0 < N)%nat) by (destruct N; [unfold var in HV; rewrite mean_none in HV; lra | lia]).
  assert (HQ : 0 < sum N (fun i => d i * d i)).
  { unfold d. rewrite <- var_sum. apply Rmult_lt_0_compat; [apply lt_0_INR; exact HN | exact HV]. }
  assert (Hb : forall (f : nat -> R) j, 0 <= above (f j) 0 <= 1)
    by (intros; unfold above; destruct (Rlt_dec 0 (f j)); lra).
  split.
  - destruct (one_above N d (dev_sum N z) HQ) as [i [Hi H]]. apply Rle_trans with (above (d i) 0).
    + unfold above. destruct (Rlt_dec 0 (d i)); lra.
    + apply (sum_member N (fun j => above (d j) 0)); [intros; apply Hb | exact Hi].
  - destruct (one_above N (fun i => - d i)) as [i [Hi H]].
    + rewrite sum_opp. unfold d. rewrite dev_sum. ring.
    + rewrite (sum_ext N _ (fun i => d i * d i)) by (intros; ring). exact HQ.
    + apply Rle_trans with (sum N (fun j => 1 - delta i j * 1)).
      * apply sum_le. intros j _. unfold delta. destruct (Nat.eqb_spec i j) as [<-|].
        -- unfold above. destruct (Rlt_dec 0 (d i)); lra.
        -- pose proof (Hb d j). lra.
      * rewrite sum_minus, (delta_sum N (fun _ => 1) i Hi), sum_const. lra.
Qed.

(* collapse.layer-norm-shift *)
Definition shift_given (N : nat) (z : nat -> R) (shift : R) : Prop :=
  shift <= 0 /\ INR N - 1 <= shift * shift.
Definition shift_then (N : nat) z shift : Prop := all N (fun i => open N z shift i = 0).

Theorem shift N z s : shift_given N z s -> shift_then N z s.
Proof.
  intros [Hs Hq]. unfold shift_then. rewrite all_spec. intros i Hi.
  pose proof (largest N z I) as L. unfold largest_then in L. rewrite all_spec in L.
  specialize (L i Hi). unfold open, above. set (d := dev N z i) in *. set (v := var N z) in *.
  assert (Hv : 0 <= v) by (apply mean_nonneg; intros; apply Rle_0_sqr).
  assert (K : d * Rabs d <= - s * Rabs s * v).
  { rewrite (Rabs_left1 s) by exact Hs. replace (- s * - s * v) with (s * s * v) by ring.
    apply Rle_trans with (d * d); [unfold Rabs; destruct (Rcase_abs d); nra|].
    eapply Rle_trans; [exact L|]. apply Rmult_le_compat_r; lra. }
  destruct (Rlt_dec _ _); lra.
Qed.
