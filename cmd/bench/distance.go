//go:build unix

package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// distance is a network between here and a server: what is sent arrives half a round trip later, and as much of it as was sent.
type distance struct {
	net.Listener
	server    string
	roundTrip time.Duration

	connections, roundTrips atomic.Int64 // made so far
}

// from makes a server as far away as a round trip says. It is closed by Close.
func from(server string, roundTrip time.Duration) (*distance, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &distance{Listener: l, server: server, roundTrip: roundTrip}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			d.connections.Add(1)
			go d.carry(client)
		}
	}()
	return d, nil
}

// carry carries a connection. The kernel has made it at once, where over a distance the client may send after a round trip, and the
// server after another half.
func (d *distance) carry(client net.Conn) {
	defer client.Close()
	time.Sleep(d.roundTrip)
	d.roundTrips.Add(1)
	up := make(chan parcel, 1024)
	var answered atomic.Bool // Since the client last sent something.
	go d.receive(client, up, func() {
		if answered.Swap(false) {
			d.roundTrips.Add(1)
		}
	})
	time.Sleep(d.roundTrip / 2)
	server, err := net.Dial("tcp", d.server)
	if err != nil {
		return
	}
	defer server.Close()
	down := make(chan parcel, 1024)
	go d.receive(server, down, func() {})
	var both sync.WaitGroup
	both.Go(func() { deliver(up, server, func() {}) })
	both.Go(func() { deliver(down, client, func() { answered.Store(true) }) })
	both.Wait()
}

// parcel is what was sent at once, and when it arrives.
type parcel struct {
	bytes []byte
	due   time.Time
}

// receive takes what is sent until that ends.
func (d *distance) receive(conn net.Conn, to chan<- parcel, sent func()) {
	defer close(to)
	for {
		b := make([]byte, 32<<10)
		n, err := conn.Read(b)
		if n > 0 {
			sent()
			to <- parcel{b[:n], time.Now().Add(d.roundTrip / 2)}
		}
		if err != nil {
			return
		}
	}
}

// deliver delivers what was sent, and its end.
func deliver(from <-chan parcel, conn net.Conn, arrived func()) {
	for p := range from {
		time.Sleep(time.Until(p.due))
		arrived()
		_, _ = conn.Write(p.bytes) // What fails here fails for the one who reads, too.
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
