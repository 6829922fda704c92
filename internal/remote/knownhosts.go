package remote

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// knownHosts is what known_hosts files say about one host.
type knownHosts struct {
	keys        []knownKey
	authorities []knownKey // whose certificates for this host are as good as its key (@cert-authority)
	revoked     []knownKey // never to be accepted, not as a key and not as an authority (@revoked)
}

// knownKey is a key, and where it stands.
type knownKey struct {
	ssh.PublicKey
	file string
	line int
}

func (k knownKey) place() string { return fmt.Sprintf("%s:%d", k.file, k.line) }

// among returns the one of keys that is the same as key.
func among(keys []knownKey, key ssh.PublicKey) (knownKey, bool) {
	for _, k := range keys {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return k, true
		}
	}
	return knownKey{}, false
}

// readKnownHosts reads what the files say about a host of this name. A file that does not exist says nothing, and a line that is not
// understood does not either, as with ssh.
func readKnownHosts(files []string, name string) (knownHosts, error) {
	var known knownHosts
	for _, file := range files {
		if err := known.read(file, strings.ToLower(name)); err != nil {
			return knownHosts{}, err
		}
	}
	return known, nil
}

func (known *knownHosts) read(file, name string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		marker, words := "", strings.Fields(line)
		if len(words) > 0 && strings.HasPrefix(words[0], "@") {
			marker, words = words[0], words[1:]
		}
		if len(words) < 3 || strings.HasPrefix(words[0], "#") || !matchHost(words[0], name) {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil {
			continue
		}
		key, err := ssh.ParsePublicKey(blob)
		if err != nil || key.Type() != words[1] {
			continue
		}
		k := knownKey{key, file, number}
		switch marker {
		case "":
			known.keys = append(known.keys, k)
		case "@cert-authority":
			known.authorities = append(known.authorities, k)
		case "@revoked":
			known.revoked = append(known.revoked, k)
		}
	}
	return nil
}

// readRevoked reads files of keys that are never to be accepted, one on each line. As with ssh, a file that cannot be read or understood is
// an error, since nobody knows then what is revoked. The binary form, a key revocation list (KRL), is not understood.
func readRevoked(files []string) ([]knownKey, error) {
	var revoked []knownKey
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(text, []byte("SSHKRL\n")) {
			return nil, fmt.Errorf("%s is a key revocation list (KRL), which is not supported: a list of public keys is", file)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
			if err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", file, i+1, err)
			}
			if cert, certified := key.(*ssh.Certificate); certified {
				key = cert.Key
			}
			revoked = append(revoked, knownKey{key, file, i + 1})
		}
	}
	return revoked, nil
}

// matchHost reports whether the first word of a line is about the host of this name: patterns separated by commas, of which one with
// an exclamation mark excludes, or the hash of a name.
func matchHost(word, name string) bool {
	if hashed, ok := strings.CutPrefix(word, "|1|"); ok {
		salt, sum, _ := strings.Cut(hashed, "|")
		key, err := base64.StdEncoding.DecodeString(salt)
		if err != nil {
			return false
		}
		mac := hmac.New(sha1.New, key)
		mac.Write([]byte(name))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == sum
	}
	return matchAny(strings.Split(strings.ToLower(word), ","), name)
}

// matchAny reports whether any of the patterns matches, and none that excludes by an exclamation mark.
func matchAny(patterns []string, name string) bool {
	matched := false
	for _, pattern := range patterns {
		pattern, excludes := strings.CutPrefix(pattern, "!")
		if matchPattern(pattern, name) {
			if excludes {
				return false
			}
			matched = true
		}
	}
	return matched
}

// matchPattern knows * and ?, as ssh does.
func matchPattern(pattern, name string) bool {
	for i := range len(pattern) {
		switch {
		case pattern[i] == '*':
			for rest := name; ; rest = rest[1:] {
				if matchPattern(pattern[i+1:], rest) {
					return true
				}
				if rest == "" {
					return false
				}
			}
		case name == "" || pattern[i] != '?' && pattern[i] != name[0]:
			return false
		}
		name = name[1:]
	}
	return name == ""
}
