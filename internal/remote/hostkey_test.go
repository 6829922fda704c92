package remote

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"golang.org/x/crypto/ssh"
)

// An authority's signature counts, but not with SHA-1.
func TestCertifies(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := plain.(ssh.AlgorithmSigner)
	if !ok {
		t.Fatal("an RSA key has one algorithm")
	}
	known := knownHosts{authorities: []knownKey{{PublicKey: plain.PublicKey()}}}
	for algorithm, counts := range map[string]bool{ssh.KeyAlgoRSASHA512: true, ssh.KeyAlgoRSA: false} {
		authority, err := ssh.NewSignerWithAlgorithms(signer, []string{algorithm})
		if err != nil {
			t.Fatal(err)
		}
		certificate := &ssh.Certificate{Key: plain.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"mini.lan"}, ValidBefore: ssh.CertTimeInfinity}
		if err := certificate.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		if err := known.certifies(certificate, "mini.lan"); (err == nil) != counts {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}
