package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// An evidence pack is a zip whose comment, its last bytes, holds the signature over every byte before it. So nothing in the file can be altered, added or cut
// off, and any program that opens a zip still opens it.

const packFormat = "postern evidence pack 1"

// endOfZip begins the last record of a zip (APPNOTE.TXT 6.3.10, section 4.3.16): 22 bytes, of which the last two tell the length of the comment.
const (
	endOfZip       = "PK\x05\x06"
	endOfZipLength = 22
)

// PackComment is a comment of the length that the signature will need. A zip must be closed with it before SignPack.
func (l *Log) PackComment() string {
	return packComment(l.signer.public(), make([]byte, ed25519.SignatureSize))
}

func packComment(key string, signature []byte) string {
	return packFormat + "\n" + key + "\n" + base64.StdEncoding.EncodeToString(signature) + "\n"
}

// SignPack puts the signature into the comment of a zip that was closed with PackComment.
func (l *Log) SignPack(zip []byte) []byte {
	body := zip[:len(zip)-len(l.PackComment())]
	signature := ed25519.Sign(l.signer.key, packText(l.signer.public(), body))
	return append(bytes.Clone(body), packComment(l.signer.public(), signature)...)
}

func packText(key string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return []byte(packFormat + "\n" + key + "\n" + hex.EncodeToString(sum[:]) + "\n")
}

// IsPack says whether a file that begins like this is a zip.
func IsPack(start []byte) bool { return bytes.HasPrefix(start, []byte("PK\x03\x04")) }

// VerifyPack checks an evidence pack without network or database. key may be empty: then the one that the pack names is taken, which is told. Every altered, added or missing byte is a
// *Broken.
func VerifyPack(file []byte, key string) (named string, err error) {
	at := bytes.LastIndex(file, []byte(packFormat+"\n"))
	if at < endOfZipLength {
		return "", &Broken{-1, "this is not an evidence pack, or its end is damaged"}
	}
	body, comment := file[:at], string(file[at:])
	part := strings.Split(comment, "\n")
	end := body[len(body)-endOfZipLength:]
	if len(part) != 4 || !bytes.HasPrefix(end, []byte(endOfZip)) || int(binary.LittleEndian.Uint16(end[20:])) != len(comment) {
		return "", &Broken{-1, "this is not an evidence pack, or its end is damaged"}
	}
	named = part[1]
	if key != "" && key != named {
		return named, &Broken{-1, "the pack was signed with another key than the one given"}
	}
	verifier, err := note.NewVerifier(named)
	if err != nil {
		return named, &Broken{-1, "the key is not one that Postern prints"}
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(part[2])
	if err != nil || comment != packComment(named, signature) || !verifier.Verify(packText(named, body), signature) {
		return named, &Broken{-1, "the signature does not hold: something in the pack was altered"}
	}
	return named, nil
}
