/**
 * MMX, SSE, SSE2 and SSE3 in the 0F map (Intel SDM vol. 2, appendix A, table A-3). The mandatory prefix chooses the form.
 * Line format: see opcodes-one-byte.ts.
 */
export const sseOpcodes = `
NP 0F 10 | movups Vps,Wps
66 0F 10 | movupd Vpd,Wpd
F3 0F 10 | movss Vss,Wss
F2 0F 10 | movsd Vsd,Wsd
NP 0F 11 | movups Wps,Vps
66 0F 11 | movupd Wpd,Vpd
F3 0F 11 | movss Wss,Vss
F2 0F 11 | movsd Wsd,Vsd
NP 0F 12 mem | movlps Vq,Mq
NP 0F 12 reg | movhlps Vq,Udq
66 0F 12 mem | movlpd Vq,Mq
F3 0F 12 | movsldup Vps,Wps
F2 0F 12 | movddup Vpd,Wq
NP 0F 13 mem | movlps Mq,Vq
66 0F 13 mem | movlpd Mq,Vq
NP 0F 14 | unpcklps Vps,Wps
66 0F 14 | unpcklpd Vpd,Wpd
NP 0F 15 | unpckhps Vps,Wps
66 0F 15 | unpckhpd Vpd,Wpd
NP 0F 16 mem | movhps Vq,Mq
NP 0F 16 reg | movlhps Vdq,Uq
66 0F 16 mem | movhpd Vq,Mq
F3 0F 16 | movshdup Vps,Wps
NP 0F 17 mem | movhps Mq,Vq
66 0F 17 mem | movhpd Mq,Vq
NP 0F 28 | movaps Vps,Wps
66 0F 28 | movapd Vpd,Wpd
NP 0F 29 | movaps Wps,Vps
66 0F 29 | movapd Wpd,Vpd
NP 0F 2A | cvtpi2ps Vps,Qq
66 0F 2A | cvtpi2pd Vpd,Qq
F3 0F 2A | cvtsi2ss Vss,Ey
F2 0F 2A | cvtsi2sd Vsd,Ey
NP 0F 2B mem | movntps Mps,Vps
66 0F 2B mem | movntpd Mpd,Vpd
NP 0F 2C | cvttps2pi Pq,Wq
66 0F 2C | cvttpd2pi Pq,Wpd
F3 0F 2C | cvttss2si Gy,Wss
F2 0F 2C | cvttsd2si Gy,Wsd
NP 0F 2D | cvtps2pi Pq,Wq
66 0F 2D | cvtpd2pi Pq,Wpd
F3 0F 2D | cvtss2si Gy,Wss
F2 0F 2D | cvtsd2si Gy,Wsd
NP 0F 2E | ucomiss Vss,Wss
66 0F 2E | ucomisd Vsd,Wsd
NP 0F 2F | comiss Vss,Wss
66 0F 2F | comisd Vsd,Wsd
NP 0F 50 | movmskps Gy,Ups
66 0F 50 | movmskpd Gy,Upd
NP 0F 51 | sqrtps Vps,Wps
66 0F 51 | sqrtpd Vpd,Wpd
F3 0F 51 | sqrtss Vss,Wss
F2 0F 51 | sqrtsd Vsd,Wsd
NP 0F 52 | rsqrtps Vps,Wps
F3 0F 52 | rsqrtss Vss,Wss
NP 0F 53 | rcpps Vps,Wps
F3 0F 53 | rcpss Vss,Wss
NP 0F 54 | andps Vps,Wps
66 0F 54 | andpd Vpd,Wpd
NP 0F 55 | andnps Vps,Wps
66 0F 55 | andnpd Vpd,Wpd
NP 0F 56 | orps Vps,Wps
66 0F 56 | orpd Vpd,Wpd
NP 0F 57 | xorps Vps,Wps
66 0F 57 | xorpd Vpd,Wpd
NP 0F 58 | addps Vps,Wps
66 0F 58 | addpd Vpd,Wpd
F3 0F 58 | addss Vss,Wss
F2 0F 58 | addsd Vsd,Wsd
NP 0F 59 | mulps Vps,Wps
66 0F 59 | mulpd Vpd,Wpd
F3 0F 59 | mulss Vss,Wss
F2 0F 59 | mulsd Vsd,Wsd
NP 0F 5A | cvtps2pd Vpd,Wq
66 0F 5A | cvtpd2ps Vps,Wpd
F3 0F 5A | cvtss2sd Vsd,Wss
F2 0F 5A | cvtsd2ss Vss,Wsd
NP 0F 5B | cvtdq2ps Vps,Wdq
66 0F 5B | cvtps2dq Vdq,Wps
F3 0F 5B | cvttps2dq Vdq,Wps
NP 0F 5C | subps Vps,Wps
66 0F 5C | subpd Vpd,Wpd
F3 0F 5C | subss Vss,Wss
F2 0F 5C | subsd Vsd,Wsd
NP 0F 5D | minps Vps,Wps
66 0F 5D | minpd Vpd,Wpd
F3 0F 5D | minss Vss,Wss
F2 0F 5D | minsd Vsd,Wsd
NP 0F 5E | divps Vps,Wps
66 0F 5E | divpd Vpd,Wpd
F3 0F 5E | divss Vss,Wss
F2 0F 5E | divsd Vsd,Wsd
NP 0F 5F | maxps Vps,Wps
66 0F 5F | maxpd Vpd,Wpd
F3 0F 5F | maxss Vss,Wss
F2 0F 5F | maxsd Vsd,Wsd
NP 0F 60 | punpcklbw Pq,Qd
66 0F 60 | punpcklbw Vdq,Wdq
NP 0F 61 | punpcklwd Pq,Qd
66 0F 61 | punpcklwd Vdq,Wdq
NP 0F 62 | punpckldq Pq,Qd
66 0F 62 | punpckldq Vdq,Wdq
NP 0F 63 | packsswb Pq,Qq
66 0F 63 | packsswb Vdq,Wdq
NP 0F 64 | pcmpgtb Pq,Qq
66 0F 64 | pcmpgtb Vdq,Wdq
NP 0F 65 | pcmpgtw Pq,Qq
66 0F 65 | pcmpgtw Vdq,Wdq
NP 0F 66 | pcmpgtd Pq,Qq
66 0F 66 | pcmpgtd Vdq,Wdq
NP 0F 67 | packuswb Pq,Qq
66 0F 67 | packuswb Vdq,Wdq
NP 0F 68 | punpckhbw Pq,Qq
66 0F 68 | punpckhbw Vdq,Wdq
NP 0F 69 | punpckhwd Pq,Qq
66 0F 69 | punpckhwd Vdq,Wdq
NP 0F 6A | punpckhdq Pq,Qq
66 0F 6A | punpckhdq Vdq,Wdq
NP 0F 6B | packssdw Pq,Qq
66 0F 6B | packssdw Vdq,Wdq
66 0F 6C | punpcklqdq Vdq,Wdq
66 0F 6D | punpckhqdq Vdq,Wdq
NP 0F 6E | movd/movq Pq,Ey
66 0F 6E | movd/movq Vdq,Ey
NP 0F 6F | movq Pq,Qq
66 0F 6F | movdqa Vdq,Wdq
F3 0F 6F | movdqu Vdq,Wdq
NP 0F 70 | pshufw Pq,Qq,Ib
66 0F 70 | pshufd Vdq,Wdq,Ib
F3 0F 70 | pshufhw Vdq,Wdq,Ib
F2 0F 70 | pshuflw Vdq,Wdq,Ib
NP 0F 71 /2 reg | psrlw Nq,Ib
66 0F 71 /2 reg | psrlw Udq,Ib
NP 0F 71 /4 reg | psraw Nq,Ib
66 0F 71 /4 reg | psraw Udq,Ib
NP 0F 71 /6 reg | psllw Nq,Ib
66 0F 71 /6 reg | psllw Udq,Ib
NP 0F 72 /2 reg | psrld Nq,Ib
66 0F 72 /2 reg | psrld Udq,Ib
NP 0F 72 /4 reg | psrad Nq,Ib
66 0F 72 /4 reg | psrad Udq,Ib
NP 0F 72 /6 reg | pslld Nq,Ib
66 0F 72 /6 reg | pslld Udq,Ib
NP 0F 73 /2 reg | psrlq Nq,Ib
66 0F 73 /2 reg | psrlq Udq,Ib
66 0F 73 /3 reg | psrldq Udq,Ib
NP 0F 73 /6 reg | psllq Nq,Ib
66 0F 73 /6 reg | psllq Udq,Ib
66 0F 73 /7 reg | pslldq Udq,Ib
NP 0F 74 | pcmpeqb Pq,Qq
66 0F 74 | pcmpeqb Vdq,Wdq
NP 0F 75 | pcmpeqw Pq,Qq
66 0F 75 | pcmpeqw Vdq,Wdq
NP 0F 76 | pcmpeqd Pq,Qq
66 0F 76 | pcmpeqd Vdq,Wdq
NP 0F 77 | emms
66 0F 7C | haddpd Vpd,Wpd
F2 0F 7C | haddps Vps,Wps
66 0F 7D | hsubpd Vpd,Wpd
F2 0F 7D | hsubps Vps,Wps
NP 0F 7E | movd/movq Ey,Pq
66 0F 7E | movd/movq Ey,Vdq
F3 0F 7E | movq Vq,Wq
NP 0F 7F | movq Qq,Pq
66 0F 7F | movdqa Wdq,Vdq
F3 0F 7F | movdqu Wdq,Vdq
NP 0F C2 | cmpps Vps,Wps,Ib
66 0F C2 | cmppd Vpd,Wpd,Ib
F3 0F C2 | cmpss Vss,Wss,Ib
F2 0F C2 | cmpsd Vsd,Wsd,Ib
NP 0F C3 mem | movnti My,Gy
NP 0F C4 | pinsrw Pq,Ry/Mw,Ib
66 0F C4 | pinsrw Vdq,Ry/Mw,Ib
NP 0F C5 | pextrw Gy,Nq,Ib
66 0F C5 | pextrw Gy,Udq,Ib
NP 0F C6 | shufps Vps,Wps,Ib
66 0F C6 | shufpd Vpd,Wpd,Ib
66 0F D0 | addsubpd Vpd,Wpd
F2 0F D0 | addsubps Vps,Wps
NP 0F D1 | psrlw Pq,Qq
66 0F D1 | psrlw Vdq,Wdq
NP 0F D2 | psrld Pq,Qq
66 0F D2 | psrld Vdq,Wdq
NP 0F D3 | psrlq Pq,Qq
66 0F D3 | psrlq Vdq,Wdq
NP 0F D4 | paddq Pq,Qq
66 0F D4 | paddq Vdq,Wdq
NP 0F D5 | pmullw Pq,Qq
66 0F D5 | pmullw Vdq,Wdq
66 0F D6 | movq Wq,Vq
F3 0F D6 | movq2dq Vdq,Nq
F2 0F D6 | movdq2q Pq,Uq
NP 0F D7 | pmovmskb Gy,Nq
66 0F D7 | pmovmskb Gy,Udq
NP 0F D8 | psubusb Pq,Qq
66 0F D8 | psubusb Vdq,Wdq
NP 0F D9 | psubusw Pq,Qq
66 0F D9 | psubusw Vdq,Wdq
NP 0F DA | pminub Pq,Qq
66 0F DA | pminub Vdq,Wdq
NP 0F DB | pand Pq,Qq
66 0F DB | pand Vdq,Wdq
NP 0F DC | paddusb Pq,Qq
66 0F DC | paddusb Vdq,Wdq
NP 0F DD | paddusw Pq,Qq
66 0F DD | paddusw Vdq,Wdq
NP 0F DE | pmaxub Pq,Qq
66 0F DE | pmaxub Vdq,Wdq
NP 0F DF | pandn Pq,Qq
66 0F DF | pandn Vdq,Wdq
NP 0F E0 | pavgb Pq,Qq
66 0F E0 | pavgb Vdq,Wdq
NP 0F E1 | psraw Pq,Qq
66 0F E1 | psraw Vdq,Wdq
NP 0F E2 | psrad Pq,Qq
66 0F E2 | psrad Vdq,Wdq
NP 0F E3 | pavgw Pq,Qq
66 0F E3 | pavgw Vdq,Wdq
NP 0F E4 | pmulhuw Pq,Qq
66 0F E4 | pmulhuw Vdq,Wdq
NP 0F E5 | pmulhw Pq,Qq
66 0F E5 | pmulhw Vdq,Wdq
66 0F E6 | cvttpd2dq Vdq,Wpd
F3 0F E6 | cvtdq2pd Vpd,Wq
F2 0F E6 | cvtpd2dq Vdq,Wpd
NP 0F E7 mem | movntq Mq,Pq
66 0F E7 mem | movntdq Mdq,Vdq
NP 0F E8 | psubsb Pq,Qq
66 0F E8 | psubsb Vdq,Wdq
NP 0F E9 | psubsw Pq,Qq
66 0F E9 | psubsw Vdq,Wdq
NP 0F EA | pminsw Pq,Qq
66 0F EA | pminsw Vdq,Wdq
NP 0F EB | por Pq,Qq
66 0F EB | por Vdq,Wdq
NP 0F EC | paddsb Pq,Qq
66 0F EC | paddsb Vdq,Wdq
NP 0F ED | paddsw Pq,Qq
66 0F ED | paddsw Vdq,Wdq
NP 0F EE | pmaxsw Pq,Qq
66 0F EE | pmaxsw Vdq,Wdq
NP 0F EF | pxor Pq,Qq
66 0F EF | pxor Vdq,Wdq
F2 0F F0 mem | lddqu Vdq,Mdq
NP 0F F1 | psllw Pq,Qq
66 0F F1 | psllw Vdq,Wdq
NP 0F F2 | pslld Pq,Qq
66 0F F2 | pslld Vdq,Wdq
NP 0F F3 | psllq Pq,Qq
66 0F F3 | psllq Vdq,Wdq
NP 0F F4 | pmuludq Pq,Qq
66 0F F4 | pmuludq Vdq,Wdq
NP 0F F5 | pmaddwd Pq,Qq
66 0F F5 | pmaddwd Vdq,Wdq
NP 0F F6 | psadbw Pq,Qq
66 0F F6 | psadbw Vdq,Wdq
NP 0F F7 | maskmovq Pq,Nq
66 0F F7 | maskmovdqu Vdq,Udq
NP 0F F8 | psubb Pq,Qq
66 0F F8 | psubb Vdq,Wdq
NP 0F F9 | psubw Pq,Qq
66 0F F9 | psubw Vdq,Wdq
NP 0F FA | psubd Pq,Qq
66 0F FA | psubd Vdq,Wdq
NP 0F FB | psubq Pq,Qq
66 0F FB | psubq Vdq,Wdq
NP 0F FC | paddb Pq,Qq
66 0F FC | paddb Vdq,Wdq
NP 0F FD | paddw Pq,Qq
66 0F FD | paddw Vdq,Wdq
NP 0F FE | paddd Pq,Qq
66 0F FE | paddd Vdq,Wdq
`;
