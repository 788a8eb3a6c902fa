package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// ceremonyLife is how long a challenge may be answered (security file, V6.7.2).
const ceremonyLife = 5 * time.Minute

var (
	errNoPasskeys = fault.New(fault.Conflict, "passkeys_need_a_name", "Browsers keep passkeys for a host name, and this Postern is reached by an IP address. Open it under its own name, or under localhost on this machine.")
	errCeremony   = fault.New(fault.Gone, "ceremony_over", "This request for a passkey is no longer open. Start again.")
	// errRefused is the one answer to every sign-in that fails. Which part of it failed is for the log and the audit.
	errRefused = fault.New(fault.Unproven, "sign_in_refused", "This passkey does not open this Postern. Use another one, or ask an admin for an invitation.")
	errPasskey = fault.New(fault.Invalid, "passkey_refused", "The browser's answer does not fit. Start again, and let the browser check that it is you (PIN, fingerprint or face).")
)

// ceremony is a passkey ceremony under way, kept in its session's row.
type ceremony struct {
	Kind    string               `json:"kind"` // sign_in, enrol, add
	Until   time.Time            `json:"until"`
	Invite  string               `json:"invite,omitempty"` // hash of the invite's token
	Name    string               `json:"name,omitempty"`
	Session webauthn.SessionData `json:"session"`
}

// holder is a member as go-webauthn wants one.
type holder struct {
	member      models.Member
	credentials []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return h.member.UserHandle }
func (h holder) WebAuthnName() string                       { return h.member.Email }
func (h holder) WebAuthnDisplayName() string                { return h.member.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

func holderOf(tx *store.Tx, m models.Member) (holder, error) {
	rows, err := tx.Passkeys(m.ID)
	if err != nil {
		return holder{}, err
	}
	h := holder{member: m}
	for _, r := range rows {
		var c webauthn.Credential
		if err := json.Unmarshal(r.Credential, &c); err != nil {
			return holder{}, fmt.Errorf("read passkey %s: %w", r.ID, err)
		}
		h.credentials = append(h.credentials, c)
	}
	return h, nil
}

// BeginSignIn makes the challenge of a sign-in for the browser's session, which is begun when session is empty. The options go to the
// browser as they are. Whose passkey will answer is not known yet, and not asked.
func (s *Service) BeginSignIn(ctx context.Context, session secret.Text, v Visitor) (options any, id secret.Text, err error) {
	if s.passkeys == nil {
		return nil, session, errNoPasskeys
	}
	if err := s.failures.check(v.Addr, s.now()); err != nil {
		return nil, session, err
	}
	assertion, data, err := s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, session, fmt.Errorf("begin a sign-in: %w", err)
	}
	id, err = s.keep(ctx, session, v, ceremony{Kind: "sign_in", Session: *data})
	return assertion, id, err
}

// keep stores a ceremony in the browser's session, and begins one where there is none.
func (s *Service) keep(ctx context.Context, session secret.Text, v Visitor, c ceremony) (secret.Text, error) {
	c.Until = s.now().UTC().Add(ceremonyLife)
	raw, err := json.Marshal(c)
	if err != nil {
		return session, err
	}
	if session.Empty() {
		if session, err = s.BeginSession(ctx, nil, v.Addr, v.UserAgent); err != nil {
			return session, err
		}
	}
	return session, s.store.OnPlatform(ctx, "keep a challenge", func(tx *store.Tx) error { return tx.PutCeremony(hashOf(session), raw) })
}

// take gives the ceremony of a session, once. It is spent in a transaction of its own: an answer that fails cannot be tried again.
func (s *Service) take(ctx context.Context, session secret.Text, kind string) (ceremony, error) {
	var c ceremony
	err := s.store.OnPlatform(ctx, "spend a challenge", func(tx *store.Tx) error {
		raw, err := tx.TakeCeremony(hashOf(session))
		if errors.Is(err, store.ErrNotFound) {
			return errCeremony
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &c)
	})
	if err == nil && (c.Kind != kind || !s.now().Before(c.Until)) {
		err = errCeremony
	}
	return c, err
}

// FinishSignIn checks the browser's answer and signs the member in: a new session id, the old one dead. Every refusal is counted by
// address and audited, in transactions of their own.
func (s *Service) FinishSignIn(ctx context.Context, session secret.Text, answer []byte, v Visitor) (secret.Text, models.Actor, error) {
	if s.passkeys == nil {
		return secret.Text{}, models.Actor{}, errNoPasskeys
	}
	if err := s.failures.check(v.Addr, s.now()); err != nil {
		return secret.Text{}, models.Actor{}, err
	}
	c, err := s.take(ctx, session, "sign_in")
	if err != nil {
		return secret.Text{}, models.Actor{}, err
	}
	var id secret.Text
	var actor models.Actor
	var claimed models.Member
	err = s.store.OnPlatform(ctx, "sign in", func(tx *store.Tx) error {
		member, credential, err := s.proven(tx, c, answer, &claimed)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(credential)
		if err != nil {
			return err
		}
		if err := tx.MarkPasskeyUsed(member.ID, credential.ID, raw, s.now().UTC()); err != nil {
			return err
		}
		id, actor, err = s.signIn(ctx, tx, member, session, v, "passkey")
		return err
	})
	if fault.KindOf(err) == fault.Unproven || fault.KindOf(err) == fault.Invalid {
		s.failures.failed(v.Addr, s.now())
		s.refused(ctx, claimed, v, err)
	}
	return id, actor, err
}

// proven says whose passkey gave the answer. claimed is filled with whom the answer names, proven or not.
func (s *Service) proven(tx *store.Tx, c ceremony, answer []byte, claimed *models.Member) (models.Member, *webauthn.Credential, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return models.Member{}, nil, errPasskey.Because(err)
	}
	var broken error // a database that does not answer must not look like a refusal
	credential, err := s.passkeys.ValidateDiscoverableLogin(func(_, userHandle []byte) (webauthn.User, error) {
		member, err := tx.MemberByHandle(userHandle)
		if err != nil {
			if !errors.Is(err, store.ErrNotFound) {
				broken = err
			}
			return nil, err
		}
		*claimed = member
		h, err := holderOf(tx, member)
		if err != nil {
			broken = err
		}
		return h, err
	}, c.Session, parsed)
	switch {
	case broken != nil:
		return models.Member{}, nil, broken
	case err != nil:
		return models.Member{}, nil, errRefused.Because(err)
	case credential.Authenticator.CloneWarning:
		// Two authenticators answer with one key: the counter went backwards (WebAuthn Level 3, section 7.2, step 22).
		return models.Member{}, nil, errRefused.Because(errors.New("the signature counter went backwards"))
	}
	return *claimed, credential, nil
}

// refused writes down a sign-in that failed, in a transaction of its own: the failed one was rolled back.
func (s *Service) refused(ctx context.Context, claimed models.Member, v Visitor, cause error) {
	entry := audit.Entry{Action: "session.begin", ObjectKind: "member", ObjectID: "", Object: "an unknown passkey", Outcome: models.OutcomeRefused, Detail: map[string]string{"how": "passkey"}}
	if !claimed.ID.IsZero() {
		entry.ObjectID, entry.Object = claimed.ID.String(), claimed.Name
	}
	who := from(models.Actor{Kind: models.ActorMember, ID: entry.ObjectID, Label: "somebody who was not let in"}, v)
	err := s.store.OnPlatform(ctx, "record a refused sign-in", func(tx *store.Tx) error { return s.audit.Append(ctx, tx, who, entry) })
	if err != nil {
		s.log.ErrorContext(ctx, "a refused sign-in was not recorded", "error", err.Error())
	}
	s.log.InfoContext(ctx, "sign-in refused", "request", v.RequestID, "cause", cause.Error())
}

// BeginEnrol makes the challenge for registering a passkey with an invite. name is what the passkey will be called.
func (s *Service) BeginEnrol(ctx context.Context, invite secret.Text, name string, session secret.Text, v Visitor) (options any, id secret.Text, err error) {
	if s.passkeys == nil {
		return nil, session, errNoPasskeys
	}
	var h holder
	err = s.store.OnPlatform(ctx, "begin to enrol", func(tx *store.Tx) error {
		_, member, err := s.invited(tx, invite)
		if err != nil {
			return err
		}
		h, err = holderOf(tx, member)
		return err
	})
	if err != nil {
		return nil, session, err
	}
	return s.beginCreation(ctx, h, ceremony{Kind: "enrol", Invite: hex.EncodeToString(hashOf(invite)), Name: name}, session, v)
}

// BeginPasskey makes the challenge for a further passkey of somebody who is signed in.
func (s *Service) BeginPasskey(ctx context.Context, actor models.Actor, name string, session secret.Text) (options any, err error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	id, err := memberID(actor)
	if err != nil {
		return nil, err
	}
	var h holder
	err = s.store.OnPlatform(ctx, "begin to add a passkey", func(tx *store.Tx) error {
		member, err := tx.Member(id)
		if err != nil {
			return err
		}
		h, err = holderOf(tx, member)
		return err
	})
	if err != nil {
		return nil, err
	}
	options, _, err = s.beginCreation(ctx, h, ceremony{Kind: "add", Name: name}, session, Visitor{Addr: actor.Addr, UserAgent: actor.UserAgent})
	return options, err
}

func (s *Service) beginCreation(ctx context.Context, h holder, c ceremony, session secret.Text, v Visitor) (any, secret.Text, error) {
	c.Name = strings.TrimSpace(c.Name)
	if c.Name == "" {
		c.Name = "Passkey"
	}
	if len(c.Name) > 100 {
		return nil, session, fault.New(fault.Invalid, "passkey_name_invalid", "Give the passkey a name of at most 100 characters.").At("name")
	}
	creation, data, err := s.passkeys.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, session, fmt.Errorf("begin a registration: %w", err)
	}
	c.Session = *data
	session, err = s.keep(ctx, session, v, c)
	return creation, session, err
}

// FinishEnrol checks the new passkey, spends the invite, ends whatever sessions the member had, and signs them in.
func (s *Service) FinishEnrol(ctx context.Context, invite, session secret.Text, answer []byte, v Visitor) (secret.Text, models.Actor, error) {
	c, err := s.take(ctx, session, "enrol")
	if err != nil {
		return secret.Text{}, models.Actor{}, err
	}
	if c.Invite != hex.EncodeToString(hashOf(invite)) {
		return secret.Text{}, models.Actor{}, errCeremony
	}
	var id secret.Text
	var actor models.Actor
	err = s.store.OnPlatform(ctx, "enrol", func(tx *store.Tx) error {
		_, member, err := s.invited(tx, invite)
		if err != nil {
			return err
		}
		if err := tx.MarkInviteUsed(hashOf(invite), s.now().UTC()); err != nil {
			return inviteError(err)
		}
		if _, err := s.endAll(tx, member); err != nil {
			return err
		}
		if member, err = tx.Member(member.ID); err != nil {
			return err
		}
		memberships, err := tx.Memberships(member.ID)
		if err != nil {
			return err
		}
		who, _ := actorOf(member, memberships)
		if err := s.addPasskey(ctx, tx, member, c, answer, from(who, v)); err != nil {
			return err
		}
		id, actor, err = s.signIn(ctx, tx, member, session, v, "invitation")
		return err
	})
	return id, actor, err
}

// FinishPasskey checks a further passkey and keeps it. The member's other sessions end: a new factor is a new start (V7.4.3).
func (s *Service) FinishPasskey(ctx context.Context, actor models.Actor, session secret.Text, answer []byte) error {
	id, err := memberID(actor)
	if err != nil {
		return err
	}
	c, err := s.take(ctx, session, "add")
	if err != nil {
		return err
	}
	return s.store.OnPlatform(ctx, "add a passkey", func(tx *store.Tx) error {
		member, err := tx.MemberForUpdate(id)
		if err != nil {
			return err
		}
		if err := s.addPasskey(ctx, tx, member, c, answer, actor); err != nil {
			return err
		}
		_, err = tx.DeleteSessionsOfMember(id, hashOf(session))
		return err
	})
}

func (s *Service) addPasskey(ctx context.Context, tx *store.Tx, member models.Member, c ceremony, answer []byte, actor models.Actor) error {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return errPasskey.Because(err)
	}
	h, err := holderOf(tx, member)
	if err != nil {
		return err
	}
	credential, err := s.passkeys.CreateCredential(h, c.Session, parsed)
	if err != nil {
		return errPasskey.Because(err)
	}
	raw, err := json.Marshal(credential)
	if err != nil {
		return err
	}
	at := s.now().UTC()
	passkey := models.Passkey{ID: models.NewID[models.PasskeyID](at), MemberID: member.ID, CredentialID: credential.ID, Credential: raw, Name: c.Name, CreatedAt: at}
	if err := tx.InsertPasskey(passkey); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return fault.New(fault.Conflict, "passkey_known", "This passkey is registered already.").Because(err)
		}
		return err
	}
	digest := sha256.Sum256(credential.ID)
	return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "passkey.add", Tenant: actor.Tenant, ObjectKind: "passkey", ObjectID: passkey.ID.String(), Object: passkey.Name,
		Detail: map[string]string{"member": member.Name, "credential": base64.RawURLEncoding.EncodeToString(digest[:6])}})
}

// RemovePasskey takes away one of the actor's own passkeys, never the last one, and ends their other sessions.
func (s *Service) RemovePasskey(ctx context.Context, actor models.Actor, passkey models.PasskeyID, session secret.Text) error {
	id, err := memberID(actor)
	if err != nil {
		return err
	}
	return s.store.OnPlatform(ctx, "remove a passkey", func(tx *store.Tx) error {
		if _, err := tx.MemberForUpdate(id); err != nil { // two removals at once must not take the last two
			return err
		}
		rows, err := tx.Passkeys(id)
		if err != nil {
			return err
		}
		var found *models.Passkey
		for i := range rows {
			if rows[i].ID == passkey {
				found = &rows[i]
			}
		}
		if found == nil {
			return store.ErrNotFound
		}
		if len(rows) == 1 {
			return fault.New(fault.Conflict, "last_passkey", "This is your only passkey. Add another one first.")
		}
		if err := tx.DeletePasskey(id, passkey); err != nil {
			return err
		}
		if _, err := tx.DeleteSessionsOfMember(id, hashOf(session)); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "passkey.remove", Tenant: actor.Tenant, ObjectKind: "passkey", ObjectID: passkey.String(), Object: found.Name})
	})
}
