package upstream

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"notyet/wire"
)

var (
	errHungUp    = errors.New("closed the connection without a whole reply")
	errTruncated = errors.New("truncated reply over TCP")
)

// askTCP makes an attempt over TCP.
func (u *Upstream) askTCP(x *Exchange) {
	if err := u.startTCP(x); err != nil {
		x.finish(nil, err)
	}
}

// startTCP starts an attempt in a goroutine of its own.
func (u *Upstream) startTCP(x *Exchange) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctx.Err() != nil {
		return ErrStopped
	}
	select {
	case u.tcp <- struct{}{}:
	default:
		return ErrBusy
	}
	u.tcpWG.Go(func() {
		reply, err := u.exchangeTCP(x)
		<-u.tcp
		x.finish(reply, err)
	})
	return nil
}

func (u *Upstream) exchangeTCP(x *Exchange) ([]byte, error) {
	limit := x.limit(time.Now())
	ctx, cancel := context.WithDeadline(u.ctx, limit)
	defer cancel()
	conn, err := u.config.Dial(ctx, "tcp", u.config.Addr.String())
	if err != nil {
		return nil, u.tcpError(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	binary.BigEndian.PutUint16(x.Query, uint16(rand.Uint32()))
	message := binary.BigEndian.AppendUint16(nil, uint16(len(x.Query)))
	if _, err := conn.Write(append(message, x.Query...)); err != nil {
		return nil, u.tcpError(err)
	}
	for {
		reply, err := readMessage(conn)
		if err != nil {
			return nil, u.tcpError(err)
		}
		if len(reply) < wire.HeaderLen || [2]byte(reply) != [2]byte(x.Query) || !wire.MatchesQuestion(reply, x.Name, x.Type) {
			u.meter.ignore()
			continue
		}
		if wire.Flags(binary.BigEndian.Uint16(reply[2:])).Has(wire.TC) {
			return nil, errTruncated
		}
		return reply, nil
	}
}

// tcpError says in few words what was wrong with a connection: clients get to see them, but not our addresses.
func (u *Upstream) tcpError(err error) error {
	var timeout net.Error
	var op *net.OpError
	switch {
	case u.ctx.Err() != nil:
		return ErrStopped
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errHungUp
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// readMessage reads one message with its length before it (RFC 1035, section 4.2.2).
func readMessage(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}
