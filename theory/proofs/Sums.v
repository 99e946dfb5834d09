(* Sums, means and counts over i < n, for every n: what the chapters' proofs share.
   A layer of N neurons is a function from nat, of which the first N values count. *)
Require Export Reals Lra Lia Psatz.
Open Scope R_scope.

Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => sum m f + f m end.
Fixpoint all (n : nat) (P : nat -> Prop) : Prop :=
  match n with O => True | S m => all m P /\ P m end.
Fixpoint some (n : nat) (P : nat -> Prop) : Prop :=
  match n with O => False | S m => some m P \/ P m end.
Definition mean (n : nat) (f : nat -> R) : R := sum n f / INR n.
(* 1 if x > y, else 0: sums of it count *)
Definition above (x y : R) : R := if Rlt_dec y x then 1 else 0.
Definition sgn (x : R) : R := above x 0 - above 0 x.
Definition relu (x : R) : R := if Rlt_dec 0 x then x else 0.

Lemma all_spec n P : all n P <-> forall i, (i < n)%nat -> P i.
Proof.
  induction n as [|n IH]; simpl; split; intros H; try lia; try exact I.
  - intros i Hi. destruct H as [H Hn]. destruct (Nat.eq_dec i n) as [->|]; [exact Hn|].
    apply IH; [exact H | lia].
  - split; [apply IH; intros i Hi | ]; apply H; lia.
Qed.

Lemma some_intro n (P : nat -> Prop) i : (i < n)%nat -> P i -> some n P.
Proof.
  induction n as [|n IH]; simpl; intros Hi Hp; [lia|].
  destruct (Nat.eq_dec i n) as [->|]; [right; exact Hp | left; apply IH; [lia | exact Hp]].
Qed.

Lemma some_spec n P : some n P -> exists i, (i < n)%nat /\ P i.
Proof.
  induction n as [|n IH]; simpl; intros H; [contradiction|].
  destruct H as [H|H]; [destruct (IH H) as [i [Hi Hp]]; exists i; split; [lia | exact Hp]|].
  exists n. split; [lia | exact H].
Qed.

Lemma search n (P : nat -> Prop) : (forall i, {P i} + {~ P i}) ->
  some n P \/ forall i, (i < n)%nat -> ~ P i.
Proof.
  intros D. induction n as [|n [IH|IH]]; simpl; [right; lia | left; left; exact IH |].
  destruct (D n) as [H|H]; [left; right; exact H | right]. intros i Hi.
  destruct (Nat.eq_dec i n) as [->|]; [exact H | apply IH; lia].
Qed.

Lemma sum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof.
  induction n as [|n IH]; simpl; intros H; [reflexivity|].
  rewrite IH by (intros; apply H; lia). rewrite H by lia. reflexivity.
Qed.

Lemma sum_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> sum n f <= sum n g.
Proof.
  induction n as [|n IH]; simpl; intros H; [lra|].
  apply Rplus_le_compat; [apply IH; intros; apply H | apply H]; lia.
Qed.

Lemma sum_lt n f g : (0 < n)%nat -> (forall i, (i < n)%nat -> f i < g i) -> sum n f < sum n g.
Proof.
  induction n as [|[|n] IH]; intros Hn H; [lia | simpl; pose proof (H O ltac:(lia)); lra |].
  change (sum (S n) f + f (S n) < sum (S n) g + g (S n)).
  pose proof (IH ltac:(lia) ltac:(intros; apply H; lia)). pose proof (H (S n) ltac:(lia)). lra.
Qed.

Lemma sum_zero n : sum n (fun _ => 0) = 0.
Proof. induction n as [|n IH]; simpl; lra. Qed.

Lemma sum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= sum n f.
Proof. intros H. rewrite <- (sum_zero n). apply sum_le. exact H. Qed.

Lemma sum_plus n f g : sum n (fun i => f i + g i) = sum n f + sum n g.
Proof. induction n as [|n IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma sum_minus n f g : sum n (fun i => f i - g i) = sum n f - sum n g.
Proof. induction n as [|n IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma sum_opp n f : sum n (fun i => - f i) = - sum n f.
Proof. induction n as [|n IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma sum_scale n c f : sum n (fun i => c * f i) = c * sum n f.
Proof. induction n as [|n IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma sum_scale_r n c f : sum n (fun i => f i * c) = sum n f * c.
Proof. induction n as [|n IH]; simpl; [lra | rewrite IH; ring]. Qed.

Lemma sum_const n c : sum n (fun _ => c) = INR n * c.
Proof. induction n as [|n IH]; [simpl; lra | simpl sum; rewrite IH, S_INR; ring]. Qed.

Lemma sum_first n f : sum (S n) f = f O + sum n (fun i => f (S i)).
Proof. induction n as [|n IH]; [simpl; lra | simpl in *; rewrite IH; ring]. Qed.

Lemma sum_swap n m f :
  sum n (fun i => sum m (fun j => f i j)) = sum m (fun j => sum n (fun i => f i j)).
Proof.
  induction n as [|n IH]; simpl; [symmetry; apply sum_zero | rewrite IH, <- sum_plus; reflexivity].
Qed.

Lemma sum_member n f i : (forall j, (j < n)%nat -> 0 <= f j) -> (i < n)%nat -> f i <= sum n f.
Proof.
  induction n as [|n IH]; simpl; intros H Hi; [lia|].
  pose proof (H n ltac:(lia)). destruct (Nat.eq_dec i n) as [->|].
  - pose proof (sum_nonneg n f ltac:(intros; apply H; lia)). lra.
  - pose proof (IH ltac:(intros; apply H; lia) ltac:(lia)). lra.
Qed.

Lemma abs_sum n f : Rabs (sum n f) <= sum n (fun i => Rabs (f i)).
Proof.
  induction n as [|n IH]; simpl; [rewrite Rabs_R0; lra|].
  pose proof (Rabs_triang (sum n f) (f n)). lra.
Qed.

(* Cauchy and Schwarz *)
Lemma cauchy n f g :
  sum n (fun i => f i * g i) * sum n (fun i => f i * g i)
  <= sum n (fun i => f i * f i) * sum n (fun i => g i * g i).
Proof.
  induction n as [|n IH]; simpl; [lra|].
  set (c := sum n (fun i => f i * g i)) in *.
  set (p := sum n (fun i => f i * f i)) in *. set (q := sum n (fun i => g i * g i)) in *.
  assert (Hp : 0 <= p) by (apply sum_nonneg; intros; apply Rle_0_sqr).
  assert (Hq : 0 <= q) by (apply sum_nonneg; intros; apply Rle_0_sqr).
  (* 2 c f g <= p g² + q f², as c² <= p q *)
  assert (K : 2 * (c * (f n * g n)) <= p * (g n * g n) + q * (f n * f n)).
  { destruct (Rle_dec (c * (f n * g n)) 0) as [Hc|Hc].
    - pose proof (Rle_0_sqr (g n)). pose proof (Rle_0_sqr (f n)). unfold Rsqr in *. nra.
    - apply Rnot_le_lt in Hc. set (u := p * (g n * g n)) in *. set (v := q * (f n * f n)) in *.
      assert (0 <= u) by (unfold u; pose proof (Rle_0_sqr (g n)); unfold Rsqr in *; nra).
      assert (0 <= v) by (unfold v; pose proof (Rle_0_sqr (f n)); unfold Rsqr in *; nra).
      assert ((c * (f n * g n)) * (c * (f n * g n)) <= u * v).
      { unfold u, v. replace (c * (f n * g n) * (c * (f n * g n)))
          with (c * c * ((f n * g n) * (f n * g n))) by ring.
        replace (p * (g n * g n) * (q * (f n * f n)))
          with (p * q * ((f n * g n) * (f n * g n))) by ring.
        apply Rmult_le_compat_r; [apply Rle_0_sqr | exact IH]. }
      pose proof (Rle_0_sqr (u - v)). unfold Rsqr in *. nra. }
  nra.
Qed.

Lemma square_of_sum n f : sum n f * sum n f <= INR n * sum n (fun i => f i * f i).
Proof.
  pose proof (cauchy n (fun _ => 1) f) as H. cbv beta in H.
  rewrite (sum_const n (1 * 1)), (sum_ext n (fun i => 1 * f i) f) in H by (intros; ring). lra.
Qed.

Lemma sum_of_squares n f : (forall i, (i < n)%nat -> 0 <= f i) ->
  sum n (fun i => f i * f i) <= sum n f * sum n f.
Proof.
  induction n as [|n IH]; simpl; intros H; [lra|].
  pose proof (IH ltac:(intros; apply H; lia)). pose proof (H n ltac:(lia)).
  pose proof (sum_nonneg n f ltac:(intros; apply H; lia)). nra.
Qed.

(* Markov: c times how many are above c *)
Lemma count_above n f c : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= c ->
  c * sum n (fun i => above (f i) c) <= sum n f.
Proof.
  intros H Hc. rewrite <- sum_scale. apply sum_le. intros i Hi. unfold above.
  pose proof (H i Hi). destruct (Rlt_dec c (f i)); lra.
Qed.

Lemma count_above_strict n f c : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= c ->
  0 < sum n (fun i => above (f i) c) -> c * sum n (fun i => above (f i) c) < sum n f.
Proof.
  induction n as [|n IH]; simpl; intros H Hc Hpos; [lra|].
  pose proof (H n ltac:(lia)) as Hn.
  assert (Hf : forall i, (i < n)%nat -> 0 <= f i) by (intros; apply H; lia).
  pose proof (count_above n f c Hf Hc) as Hle. unfold above at 2 in Hpos. unfold above at 2.
  destruct (Rlt_dec c (f n)) as [Ha|Ha]; [nra|]. specialize (IH Hf Hc ltac:(lra)). nra.
Qed.

Lemma count_nonneg n f c : 0 <= sum n (fun i => above (f i) c).
Proof. apply sum_nonneg. intros. unfold above. destruct (Rlt_dec c (f i)); lra. Qed.

Lemma mean_mult n f : (0 < n)%nat -> INR n * mean n f = sum n f.
Proof. intros H. unfold mean. field. apply not_0_INR. lia. Qed.

Lemma mean_scale n c f : mean n (fun i => c * f i) = c * mean n f.
Proof. unfold mean. rewrite sum_scale. unfold Rdiv. ring. Qed.

Lemma mean_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= mean n f.
Proof.
  intros H. unfold mean. destruct n as [|n]; [unfold Rdiv; simpl sum; lra|].
  apply Rmult_le_pos; [apply sum_nonneg; exact H|].
  apply Rlt_le, Rinv_0_lt_compat, lt_0_INR. lia.
Qed.

Lemma mean_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> mean n f <= mean n g.
Proof.
  intros H. unfold mean. destruct n as [|n]; [unfold Rdiv; simpl sum; lra|].
  apply Rmult_le_compat_r; [|apply sum_le; exact H].
  apply Rlt_le, Rinv_0_lt_compat, lt_0_INR. lia.
Qed.

Lemma mean_none f : mean 0 f = 0.
Proof. unfold mean, Rdiv. simpl. ring. Qed.

Lemma sgn_abs x : sgn x * x = Rabs x.
Proof.
  unfold sgn, above. destruct (Rlt_dec 0 x), (Rlt_dec x 0); try lra.
  - rewrite Rabs_right; lra.
  - rewrite Rabs_left; lra.
  - replace x with 0 by lra. rewrite Rabs_R0. lra.
Qed.

Lemma sgn_mult x y : - Rabs y <= sgn x * y.
Proof.
  pose proof (Rle_abs y). pose proof (Rle_abs (- y)). rewrite Rabs_Ropp in *.
  pose proof (Rabs_pos y). unfold sgn, above. destruct (Rlt_dec 0 x), (Rlt_dec x 0); lra.
Qed.

Lemma sgn_same x y : 0 < sgn x * y -> sgn y = sgn x.
Proof.
  unfold sgn, above.
  destruct (Rlt_dec 0 x), (Rlt_dec x 0), (Rlt_dec 0 y), (Rlt_dec y 0); lra.
Qed.
