package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"     // awskms://
	_ "gocloud.dev/secrets/hashivault" // hashivault://

	"github.com/postern-mail/postern/engine/fault"
)

// cloudSchemes are the key services of this build, with their names for people.
var cloudSchemes = map[string]string{"awskms": "AWS KMS", "hashivault": "HashiCorp Vault"}

// The faults of a key service, each with its cure.
var (
	ErrKeyURL = fault.New(fault.Invalid, "key_service_address",
		"The address of the key service is not one that this build knows: it takes awskms:// and hashivault://.")
	ErrKeyService = fault.New(fault.Unavailable, "key_service_unreachable",
		"The key service did not answer, or refused. Nothing was changed. Check its address and that this machine may use the key.")
)

// keyServiceTimeout bounds one question to the key service.
const keyServiceTimeout = 15 * time.Second

// CloudKEK is a key-encryption key that never leaves a key service. It is safe for concurrent use.
type CloudKEK struct {
	keeper *secrets.Keeper
	id     string
	source string
}

// OpenCloudKEK names a key at a key service by its URL, as gocloud.dev/secrets writes it; credentials come from where that service's own tools find them, never from the
// URL. The service is asked once, so that a wrong address is told at the start.
func OpenCloudKEK(ctx context.Context, address string) (CloudKEK, error) {
	u, err := url.Parse(address)
	if err != nil || cloudSchemes[u.Scheme] == "" || u.User != nil {
		return CloudKEK{}, ErrKeyURL
	}
	keeper, err := secrets.OpenKeeper(ctx, address)
	if err != nil {
		return CloudKEK{}, ErrKeyService.Because(err)
	}
	k := newCloudKEK(keeper, u)
	sealed, err := k.Encrypt([]byte("postern"), []byte("start"))
	if err != nil {
		return CloudKEK{}, err
	}
	if _, err := k.Decrypt(sealed, []byte("start")); err != nil {
		return CloudKEK{}, err
	}
	return k, nil
}

// newCloudKEK tells keys apart by scheme, host and path: parameters, such as the region, may change without the key being another.
func newCloudKEK(keeper *secrets.Keeper, u *url.URL) CloudKEK {
	sum := sha256.Sum256([]byte("postern key service\x00" + u.Scheme + "://" + u.Host + u.Path))
	return CloudKEK{keeper: keeper, id: u.Scheme + "-" + hex.EncodeToString(sum[:6]), source: cloudSchemes[u.Scheme]}
}

// ID is the scheme and a digest of the key's name.
func (k CloudKEK) ID() string { return k.id }

// Source names the service for people.
func (k CloudKEK) Source() string { return k.source }

// Encrypt wraps plain. A key service knows no associated data of ours: it is put in front of the plain text, and compared after opening.
func (k CloudKEK) Encrypt(plain, associated []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyServiceTimeout)
	defer cancel()
	whole := binary.BigEndian.AppendUint32(nil, uint32(len(associated)))
	whole = append(append(whole, associated...), plain...)
	defer clear(whole)
	out, err := k.keeper.Encrypt(ctx, whole)
	if err != nil {
		return nil, ErrKeyService.Because(err)
	}
	return out, nil
}

// errAssociated is a wrapped key in another place than its own.
var errAssociated = errors.New("the associated data is another")

// Decrypt opens what Encrypt wrapped with the same associated data.
func (k CloudKEK) Decrypt(wrapped, associated []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyServiceTimeout)
	defer cancel()
	whole, err := k.keeper.Decrypt(ctx, wrapped)
	if err != nil {
		return nil, ErrKeyService.Because(err)
	}
	if len(whole) < 4 {
		return nil, fmt.Errorf("open with the key service: %w", errAssociated)
	}
	n := int(binary.BigEndian.Uint32(whole))
	if n != len(associated) || len(whole) < 4+n || !bytes.Equal(whole[4:4+n], associated) {
		return nil, fmt.Errorf("open with the key service: %w", errAssociated)
	}
	return whole[4+n:], nil
}
