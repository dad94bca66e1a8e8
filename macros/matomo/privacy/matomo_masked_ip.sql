{% macro matomo_masked_ip(ip, bytes) -%}
    {#- An address with its last `bytes` (1 to 4; 0 keeps all) masked as in Matomo: that number of
        bytes of IPv4, also if it is mapped into IPv6; 64, 80, 104 or all bits of IPv6, in its
        shortest form. null if the text is not an address. ip: an SQL expression, text. -#}
    {%- if bytes == 0 -%}
        {{ ip }}
    {%- else -%}
        {%- set byte = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])' -%}
        {%- set last_bytes = '([.][0-9]+){' ~ bytes ~ '}$' if bytes < 4 else '^.*$' -%}
        {%- set zeros = '.0' * bytes if bytes < 4 else '0.0.0.0' -%}
        case
            when length({{ ip }}) > 64 then null
            when {{ ip }} rlike '^({{ byte }}[.]){3}{{ byte }}$'
                then regexp_replace({{ ip }}, '{{ last_bytes }}', '{{ zeros }}')
            when {{ ip }} like '%:%' then element_at(transform(
                transform(
                    -- A dotted end becomes two groups of hexadecimal digits like the others. A zone
                    -- (%eth0) is not part of the address.
                    array(if(
                        {{ ip }} rlike ':({{ byte }}[.]){3}{{ byte }}$',
                        lower(regexp_extract({{ ip }}, '^(.*:)[^:]*$', 1)) || array_join(transform(
                            split(substring_index({{ ip }}, ':', -1), '[.]'),
                            (byte, at) -> lpad(lower(hex(try_cast(byte as bigint))), 2, '0')
                                || if(at = 1, ':', '')
                        ), ''),
                        lower(split_part({{ ip }}, '%', 1))
                    )),
                    -- All eight groups with four digits each; :: is replaced by the missing zeros.
                    address -> transform(
                        if(
                            address like '%::%',
                            concat(
                                filter(split(split_part(address, '::', 1), ':'), part -> part != ''),
                                array_repeat('0', 8 - size(filter(split(address, ':'), part -> part != ''))),
                                filter(split(split_part(address, '::', 2), ':'), part -> part != '')
                            ),
                            split(address, ':')
                        ),
                        part -> if(part rlike '^[0-9a-f]{1,4}$', lpad(part, 4, '0'), null)
                    )
                ),
                parts -> case
                    when size(parts) != 8 or exists(parts, part -> part is null) then null
                    when array_join(slice(parts, 1, 6), '') = repeat('0', 20) || 'ffff'
                        then '::ffff:' || regexp_replace(
                            array_join(transform(
                                array(parts[6], parts[6], parts[7], parts[7]),
                                (part, at) -> conv(substring(part, at % 2 * 2 + 1, 2), 16, 10)
                            ), '.'),
                            '{{ last_bytes }}', '{{ zeros }}'
                        )
                    else regexp_replace(
                        array_join(transform(
                            {{ {
                                1: 'slice(parts, 1, 4)',
                                2: 'slice(parts, 1, 3)',
                                3: "array(parts[0], left(parts[1], 2) || '00')",
                                4: 'cast(array() as array<string>)'
                            }[bytes] }},
                            part -> regexp_replace(part, '^0{1,3}', '')
                        ), ':'),
                        '(^|:)0(:0)*$', ''
                    ) || '::'
                end
            ), 1)
        end
    {%- endif -%}
{%- endmacro %}
