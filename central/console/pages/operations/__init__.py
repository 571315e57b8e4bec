"""Operations 运维: gateways and their readers, alarms, and the rules that raise them."""
